"""What is known of each person -> measure.person_fact: one row a person, with the columns that metrics ask about.

Promise: of a characteristic a metric may ask for its code, status, kind of code, date, and who said it; of one that may have
several answers, for the first and last date of each code. Only what is asked for is laid out.
"""

import re

import duckdb

from transforms.faults import Row
from transforms.sqltext import text
from transforms.standard import Standard

# What follows a characteristic's name -> the column of protected.person_characteristic, and its type.
OF_ONE = {"": ("c.code", "varchar"), "_status": ("c.status", "varchar"), "_kind": ("k.kind", "varchar"),
          "_recorded_on": ("c.recorded_on", "date"), "_stated_by": ("c.stated_by", "varchar")}  # fmt: skip
OF_MANY = {"_first": "first_recorded_on", "_last": "last_recorded_on"}
OF_READINGS = {"_value": "double", "_measured_on": "date"}  # of the last day on which there is one, the lowest
OWN = {"age": "integer", "sex": "varchar", "at_end": "date", "has_died": "boolean", "icb_of_residence": "varchar",
       "icb_of_registration": "varchar", "is_registered": "boolean"}  # fmt: skip


def person_columns(standard: Standard) -> dict[str, str]:
    """Every column that a metric about people may ask for, and its type."""
    found = dict(OWN)
    for name in standard.characteristics():
        found |= {name + ending: kind for ending, (_, kind) in OF_ONE.items()}
        if standard.characteristic(name)["cardinality"] == "many":
            found |= {name + ending: "map(varchar, date)" for ending in OF_MANY}
    for kind in {row["kind"] for row in standard.tables["measurements"]}:
        found |= {kind + ending: column for ending, column in OF_READINGS.items()}
    return found


def asked(standard: Standard, metrics: dict[str, Row]) -> set[str]:
    """The columns that the predicates of these metrics name."""
    words = {
        word for m in metrics.values() for key in ("denominator", "numerator") for word in re.findall(r"\w+", m[key])
    }
    return words & set(person_columns(standard))


def add_person_fact(con: duckdb.DuckDBPyConnection, standard: Standard, metrics: dict[str, Row]) -> None:
    """Make measure.person_fact, of the columns that these metrics ask for."""
    wanted = asked(standard, metrics) - set(OWN)
    one, many, names = [], [], set()
    for name in standard.characteristics():
        for ending, (column, _) in OF_ONE.items():
            if name + ending in wanted:
                one.append(f"max({column}) filter (c.characteristic = {text(name)}) as {name}{ending}")
                names.add(name)
        for ending, column in OF_MANY.items():
            if name + ending in wanted:
                entries = f"list((code, {column})) filter (characteristic = {text(name)} and {column} is not null)"
                many.append((name, f"map_from_entries({entries}) as {name}{ending}"))
    read = []
    for kind in sorted({row["kind"] for row in standard.tables["measurements"]}):
        if kind + "_value" in wanted:
            read.append(f"arg_max(value, (event_date, -value)) filter (kind = {text(kind)}) as {kind}_value")
        if kind + "_measured_on" in wanted:
            read.append(f"max(event_date) filter (kind = {text(kind)}) as {kind}_measured_on")
    listed = ", ".join(text(name) for name in sorted(names)) or "''"
    several = ", ".join(text(name) for name in sorted({name for name, _ in many})) or "''"
    con.execute(f"""create or replace table measure.person_fact as
        with said as (
            select {", ".join(["c.person_no", *one])}
            from protected.person_characteristic as c
            join standard.characteristic as y on y.characteristic = c.characteristic
            left join standard.code as k on k.system = y.system and k.code = c.code and k.kind <> 'detail'
            where c.characteristic in ({listed}) group by c.person_no
        ),
        listed as (
            select {", ".join(["person_no", *(entry for _, entry in many)])}
            from protected.person_characteristic_value where characteristic in ({several}) group by person_no
        ),
        measured as (
            select {", ".join(["person_no", *read])} from protected.activity
            where value is not null and event_date <= getvariable('rolling_to') group by person_no
        )
        select v.person_no, v.age, v.icb_of_residence, v.icb_of_registration, v.icb_of_registration <> 'not_known' as is_registered,
               getvariable('rolling_to') as at_end, p.has_died, said.* exclude (person_no), listed.* exclude (person_no),
               measured.* exclude (person_no)
        from measure.person_view as v
        join protected.person as p using (person_no)
        left join said using (person_no)
        left join listed using (person_no)
        left join measured using (person_no)""")
