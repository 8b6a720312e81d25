"""Invented NHS numbers that pass their check, as SQL. They lie outside the range that is never issued, which is too small."""


def number(base: int) -> str:
    """The number that begins with base + i, null for the one in eleven that no check digit fits."""
    weighed = " + ".join(f"({base} + i) // {10**place} % 10 * {place + 2}" for place in range(9))
    return f"case when ({weighed}) % 11 <> 1 then ({base} + i)::text || (11 - ({weighed}) % 11) % 11 end"
