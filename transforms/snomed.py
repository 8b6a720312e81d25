"""SNOMED CT identifiers: the check digit that tells a real one from one that a spreadsheet rounded."""

_D5 = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6]]
_D5 += [[3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1]]
_D5 += [[6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4]]
_D5 += [[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def is_snomed_identifier(text: str) -> bool:
    """Whether 6 to 18 digits end in the right check digit: Verhoeff's, over the dihedral group of order ten."""
    if not text.isdigit() or not 6 <= len(text) <= 18:
        return False
    total = 0
    for place, char in enumerate(reversed(text)):
        digit = int(char)
        for _ in range(place % 8):
            digit = _TURN[digit]
        total = _D5[total][digit]
    return total == 0
