"""The content of every extract -> deliveries: files by path below the lake, and what should become of each.

Promise: a delivery's `_READY` comes after its files; a fault is noted only where its delivery is the one in force.
"""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from transforms.demo_fhir import as_resources
from transforms.demo_records import Setting
from transforms.demo_several import in_several_rows

READY, BYTE_ORDER_MARK = "_READY", b"\xef\xbb\xbf"
DELIMITER = {"pas_patient": "|"}
RESOURCE = {"fhir_patient": "Patient"}  # what is sent as resources, one a line
QUOTED = ("social_care", "small_csv", "access_event")  # what holds words with commas
LOCAL_NUMBER = {
    "pas_patient": "PATIENT_ID",
    "sus_outpatient": "LOPATID",
    "emis_patient": "PatientGuid",
    "emis_observation": "PatientGuid",
    "sus_admitted": "LOPATID",
    "ecds": "Local_Patient_Identifier",
    "tpp_patient": "RowIdentifier",
    "tpp_code": "IDPatient",
    "mhsds_patient": "LocalPatientID",
    "csds_patient": "LocalPatientId",
    "social_care": "LA Person Unique Identifier",
    "small_csv": "Your reference",
    "fhir_patient": "id",
    "waiting_list": "LOCAL_PATIENT_IDENTIFIER",
    "cancer_waits": "LOCAL PATIENT IDENTIFIER",
    "cancer_diagnoses": "LocalPatientIdentifierExtended",
    "emis_slot": "PatientGuid",
    "emis_referral": "PatientGuid",
    "access_event": "Your reference",
}
MARKS = ("fault:", "expected:")
ABOUT_ROWS = ("provider", "person_no", "first", "last", "place", "day", "is_final")


@dataclass
class Made:
    """What is going to be written: files by path below the lake, and the rows of truth."""

    files: dict[Path, bytes] = field(default_factory=dict)
    outcome: list[dict[str, Any]] = field(default_factory=list)
    faults: list[pd.DataFrame] = field(default_factory=list)
    n_rows: int = 0


class Content:
    """One provider's rows of one layout, ready to be cut into periods."""

    def __init__(self, layout: str, frame: pd.DataFrame, number_column: str):
        frame = frame.sort_values("place", kind="stable", ignore_index=True)
        self.layout, self.first, self.last = layout, frame["first"].to_numpy(), frame["last"].to_numpy()
        self.number_column = number_column
        self.columns = [name for name in frame.columns if name not in ABOUT_ROWS and not name.startswith(MARKS)]
        self.table = pa.table({name: pa.array(frame[name], pa.string(), from_pandas=True) for name in self.columns})
        self.person_no = frame["person_no"].to_numpy()
        found = []
        for name in frame.columns:
            kind, _, column = name.partition(":")
            if kind == "fault":
                at = np.flatnonzero(frame[name] != "")
                expected = frame[f"expected:{column}"].to_numpy()[at] if f"expected:{column}" in frame else ""
                part = {
                    "row": at,
                    "column": column,
                    "fault": frame[name].to_numpy()[at],
                    "sent": frame[column].to_numpy()[at],
                }
                found.append(pd.DataFrame({**part, "expected": expected}))
        self.faults = pd.concat(found, ignore_index=True)

    def people(self, provider: str) -> pd.DataFrame:
        """Whose record each local number is."""
        local = LOCAL_NUMBER[self.layout]
        frame = pd.DataFrame({"local_patient_id": self.table[local].to_pandas(), "person_no": self.person_no})
        frame = frame[(frame["local_patient_id"] != "")].drop_duplicates()
        return frame.assign(provider=provider, layout=self.layout)

    def cut(self, position: int) -> tuple[pa.Table, pd.DataFrame]:
        """The rows that one period shows, and the faults in them by line."""
        at = np.flatnonzero((self.first <= position) & (position <= self.last))
        line = np.zeros(len(self.first), dtype=int)
        line[at] = np.arange(1, len(at) + 1)
        faults = self.faults.assign(line=line[self.faults["row"]])
        table, faults = self.table.take(at), faults[faults["line"] > 0].drop(columns="row")
        return table, in_several_rows(table, faults, LOCAL_NUMBER[self.layout], self.number_column)


def deliver(
    setting: Setting, made: Made, provider: dict[str, str], position: int, contents: dict[str, Content]
) -> None:
    """One provider's deliveries of one period: mostly one, in time and whole."""
    code, period = provider["code"], setting.periods[position]
    special = next(
        (row for row in setting.source.settings["deliveries"] if (row["provider"], row["period"]) == (code, period)), {}
    )
    fault = special.get("fault", "")
    month = period.replace("-", "")
    after = np.datetime64(period, "M") + 1
    due = str(after) + f"-{int(provider['due_day']) - 2:02d}"
    files, faults = {}, []
    seldom = setting.source.settings["seldom"]
    for layout, content in contents.items():
        is_old = position < len(setting.periods) - seldom["but_for_the_last"].get(layout, len(setting.periods))
        if is_old and int(period[-2:]) not in seldom["months"]:
            continue
        table, wrong = content.cut(position)
        if not len(table):  # nothing new in a month: no file, for an empty one is refused
            continue
        files[f"{code}_{layout}_{month}.{'ndjson' if layout in RESOURCE else 'csv'}"] = (layout, table)
        faults.append(wrong.assign(provider=code, period=period, layout=layout))
        made.n_rows += len(table)
    whole = {name: _bytes(setting, code, layout, table) for name, (layout, table) in files.items()}
    rows = {name: len(table) for name, (_, table) in files.items()}

    def send(
        name: str,
        sent: dict[str, bytes],
        expected: str,
        in_force: bool,
        reason: str = "",
        declared: dict[str, bytes] | None = None,
    ) -> None:
        folder = Path("landing", code, period, name)
        made.files.update({folder / file: content for file, content in sent.items()})
        made.files[folder / READY] = _manifest(setting, code, declared or sent, rows)
        row = {
            "provider": code,
            "period": period,
            "delivery": name,
            "fault": fault,
            "expected": expected,
            "is_in_force": in_force,
            "reason": reason,
        }
        made.outcome.append(row)
        if in_force:
            made.faults.extend(wrong.assign(delivery=name) for wrong in faults)

    if fault == "corrected_delivery":
        broken = dict(whole)
        for name, (layout, table) in files.items():
            if special["column"] in table.column_names:
                blank = np.arange(len(table)) > len(table) * (1 - special["blanked"])
                column = pa.array(np.where(blank, "", table[special["column"]].to_pandas()), pa.string())
                broken[name] = _bytes(
                    setting,
                    code,
                    layout,
                    table.set_column(table.column_names.index(special["column"]), special["column"], column),
                )
        send(due, broken, "accepted", False)
        send(f"{after}-24-corrected", whole, "accepted", True)
    elif fault == "rejected_correction":
        send(due, whole, "accepted", True)
        lost = {
            name: _without(setting, code, layout, table, special["lost_column"])
            for name, (layout, table) in files.items()
        }
        send(f"{after}-24-corrected", lost, "rejected", False, "missing_column")
    elif fault == "resent_delivery":
        send(due, whole, "accepted", True)
        send(f"{after}-20-again", whole, "unchanged", False)
    elif fault == "late_delivery":
        send(f"{after + 1}-19-late", whole, "accepted", True)
    elif fault == "hopeless_file":
        junk = np.random.default_rng([setting.seed, 9]).bytes(4096)
        send(due, {f"export_{month}.csv": b"PK\x03\x04" + junk}, "rejected", False, "binary_file")
    elif fault == "damaged_in_transfer":
        cut = {name: content[: len(content) * 6 // 10] for name, content in whole.items()}
        send(due, cut, "rejected", False, "wrong_hash", declared=whole)
        send(f"{after}-20-again", whole, "accepted", True)
    else:
        send(due, whole, "accepted", True)


def _without(setting: Setting, code: str, layout: str, table: pa.Table, column: str) -> bytes:
    return _bytes(setting, code, layout, table.drop_columns([column]) if column in table.column_names else table)


def _bytes(setting: Setting, code: str, layout: str, table: pa.Table) -> bytes:
    """A file as this provider's system writes it."""
    habits, out = setting.source.settings["files"], io.BytesIO()
    if layout in RESOURCE:
        return as_resources(table.to_pylist(), RESOURCE[layout]).encode()
    style = "needed" if layout in QUOTED else "none"
    options = arrow_csv.WriteOptions(delimiter=DELIMITER.get(layout, ","), quoting_style=style, quoting_header=style)
    arrow_csv.write_csv(table, out, options)
    content = out.getvalue()
    if code in habits["carriage_returns"]:
        content = content.replace(b"\n", b"\r\n")
    if code in habits["cp1252"]:
        content = content.decode("utf-8").encode("cp1252")
    return BYTE_ORDER_MARK + content if code in habits["byte_order_mark"] else content


def _manifest(setting: Setting, code: str, sent: dict[str, bytes], rows: dict[str, int]) -> bytes:
    """What stands in _READY: mostly nothing."""
    if code not in setting.source.settings["files"]["manifest"]:
        return b""
    files = [
        {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "n_rows": rows[name]}
        for name, content in sent.items()
    ]
    return json.dumps({"files": files}).encode()
