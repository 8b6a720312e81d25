"""The faults of one file, row by row -> with those that only several rows together make.

Promise: of a key that was sent twice both rows are named; a number is named as shared exactly where the file holds it, readable,
under two local numbers, whether it was borrowed or its owner was registered twice.
"""

import pandas as pd
import pyarrow as pa

UNREADABLE = ("missing_nhs_number", "malformed_nhs_number", "placeholder_nhs_number")


def in_several_rows(table: pa.Table, faults: pd.DataFrame, local_column: str, number_column: str) -> pd.DataFrame:
    """The faults with more of them. `faults`: column, fault, sent, expected, line (counted from 1) of wrong cells of `table`.
    `number_column`: where the NHS number stands, or "" where the layout has none."""
    found = [faults]
    copies = faults[faults["fault"] == "duplicate_key"]
    for column, of in copies.groupby("column") if len(copies) else ():
        sent = table[column].to_pandas()
        lines = sent.index[sent.isin(of["sent"])] + 1
        found.append(_noted(str(column), "duplicate_key", sent, lines.difference(of["line"])))
    if number_column:
        unreadable = faults["line"][(faults["column"] == number_column) & faults["fault"].isin(UNREADABLE)]
        numbers = [value.replace(" ", "") for value in table[number_column].to_pylist()]
        rows = pd.DataFrame({"local": table[local_column].to_pandas(), "number": numbers}).drop(index=unreadable - 1)
        pairs = rows[rows["local"] != ""].drop_duplicates()
        shared = pairs["number"][pairs["number"].duplicated()]
        if len(shared):
            rows = rows[rows["number"].isin(shared) & (rows["local"] != "")]
            found.append(_noted(local_column, "shared_nhs_number", rows["local"], rows.index + 1))
    return pd.concat(found, ignore_index=True)


def _noted(column: str, fault: str, sent: pd.Series, lines: pd.Index) -> pd.DataFrame:
    """One more fault for each of these lines; nothing is expected of its cell."""
    return pd.DataFrame(
        {"column": column, "fault": fault, "sent": sent.reindex(lines - 1), "expected": "", "line": lines}
    )
