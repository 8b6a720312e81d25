"""SNOMED CT identifiers: the check digit that tells a real one from one that a spreadsheet rounded."""

import re

_D5 = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6]]
_D5 += [[3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1]]
_D5 += [[6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4]]
_D5 += [[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
_ROUNDED = re.compile(r"\d+([.,]\d*)?e\+\d+|\d{6,}[.,]0+", re.IGNORECASE)
_AGAIN = "copy the identifier again, into a column whose format is text"


def is_snomed_identifier(text: str) -> bool:
    """Whether 6 to 18 digits end in the right check digit: Verhoeff's, over the dihedral group of order ten."""
    if not (text.isascii() and text.isdigit()) or not 6 <= len(text) <= 18:
        return False
    total = 0
    for place, char in enumerate(reversed(text)):
        digit = int(char)
        for _ in range(place % 8):
            digit = _TURN[digit]
        total = _D5[total][digit]
    return total == 0


def is_rounded(text: str) -> bool:
    """Whether a spreadsheet has made a number of what was text: 1.07691E+14, or 92391000000108.0."""
    return bool(_ROUNDED.fullmatch(text))


def damage(text: str) -> tuple[str, str]:
    """What is wrong with a SNOMED CT concept identifier, and what to do about it; two blanks where it is sound."""
    if is_rounded(text):
        return "it was rewritten as a number", f"a spreadsheet did that: {_AGAIN}"
    if not is_snomed_identifier(text):
        lost = len(text) > 15 and not text[15:].strip("0")
        why = (
            "a spreadsheet keeps 15 digits and writes zeros for the rest"
            if lost
            else "a spreadsheet may have damaged it"
        )
        return "its check digit fails", f"{why}: {_AGAIN}"
    if text[-3:-1] not in ("00", "10"):  # the two digits before the check digit say what is identified
        return "it identifies a description or a relationship", "look up the concept that it belongs to"
    return "", ""
