"""Train the linkage model on invented people and write it, with its term frequencies, to standards/linkage.

    python scripts/train_linkage.py              the model of this service
    python scripts/train_linkage.py --febrl      that of the FEBRL 4 files, for a test

Weights of agreement by chance (u) come from pairs of different people; weights of agreement between records of one person
(m) from pairs that a verified number joins, as they would in a real lake: nothing reads the truth about who is who. What
such pairs cannot teach (how often the number itself is wrong, how often a register holds somebody twice) is set by hand.
"""

import csv
import json
import logging
import sys
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FOLDER = ROOT / "standards" / "linkage"
SEED, LEAST, TOTAL = 20260, 1_000, 40_000  # another seed than any test uses; people in a group, and in all
PRIOR = 2.0**-20  # that two records are of one person: about what a lake of a million people gives
LEAST_U, LEAST_M = 1e-6, 1e-4  # what was not seen among the pairs is not impossible


def level(sql: str, label: str, **more: Any) -> dict[str, Any]:
    return {"sql_condition": sql, "label_for_charts": label, **more}


def comparison(name: str, null: str, *levels: dict[str, Any]) -> dict[str, Any]:
    nothing = level("ELSE", "nothing agrees")
    return {
        "output_column_name": name,
        "comparison_levels": [level(null, "not known", is_null_level=True), *levels, nothing],
    }


SWAPPED = "list_has_any(given_words_l, family_words_r) and list_has_any(family_words_l, given_words_r)"
DATE = " + ".join(f"({part}(birth_date_l) <> {part}(birth_date_r))::int" for part in ("year", "month", "day"))
NEAR = "damerau_levenshtein(coalesce(number_l, digits_l), coalesce(number_r, digits_r)) <= 1 and (number_l is not null or number_r is not null)"
COMPARISONS = [
    comparison(
        "given_name",
        "given_name_l is null or given_name_r is null",
        level("given_name_l = given_name_r", "equal", tf_adjustment_column="given_name", tf_adjustment_weight=1.0),
        level(SWAPPED, "given and family name swapped"),
        level("list_has_any(given_forms_l, given_forms_r)", "another form or spelling of it"),
        level("jaro_winkler_similarity(given_name_l, given_name_r) >= 0.9 or damerau_levenshtein(given_joined_l, given_joined_r) <= 1"
              " or (least(length(given_name_l), length(given_name_r)) >= 3"
              "     and (starts_with(given_name_l, given_name_r) or starts_with(given_name_r, given_name_l)))"
              " or (given_skeleton_l = given_skeleton_r and length(given_skeleton_l) >= 3)", "nearly"),
        level("list_has_any(given_words_l, given_words_r) or given_name_l = left(given_name_r, 1) or given_name_r = left(given_name_l, 1)",
              "a second name, or an initial"),
    ),
    comparison(
        "family_name",
        f"family_name_l is null or family_name_r is null or (family_name_l <> family_name_r and {SWAPPED})",
        level("family_name_l = family_name_r", "equal", tf_adjustment_column="family_name", tf_adjustment_weight=1.0),
        level("family_spelt_l = family_spelt_r", "another spelling of it"),
        level("list_has_any(family_parts_l, family_parts_r)", "one of several"),
        level("jaro_winkler_similarity(family_name_l, family_name_r) >= 0.9 or damerau_levenshtein(family_name_l, family_name_r) <= 1"
              " or (family_skeleton_l = family_skeleton_r and length(family_skeleton_l) >= 3)", "nearly"),
    ),
    comparison(
        "birth_date",
        "birth_date_l is null or birth_date_r is null",
        level("birth_date_l = birth_date_r and birth_day_l <> 101", "equal"),
        level("birth_date_l = birth_date_r", "equal, the first of January"),
        level("birth_dates_agree(birth_date_l, birth_date_r)", "day and month swapped"),
        level("birth_year_l = birth_year_r and (birth_day_l = 101 or birth_day_r = 101)", "one is the first of January of that year"),
        level(f"{DATE} = 1 and (abs(birth_year_l - birth_year_r) <= 1 or abs(birth_year_l - birth_year_r) = 10)", "one part differs"),
    ),
    comparison(
        "sex",
        "sex_l is null or sex_r is null",
        level("sex_l = sex_r", "equal"),
    ),
    comparison(
        "place",
        "(postcode_l is null or postcode_r is null) and (practice_l is null or practice_r is null)",
        level("postcode_l = postcode_r", "one postcode"),
        level("sector_l = sector_r and practice_l = practice_r", "one practice, next door"),
        level("practice_l = practice_r", "one practice"),
        level("district_l = district_r", "one district"),
    ),
    comparison(
        "number",
        f"coalesce(number_l, digits_l) is null or coalesce(number_r, digits_r) is null or ((number_l is null or number_r is null) and not ({NEAR}))",
        level("number_l = number_r", "equal"),
        level(NEAR, "a slip of the hand"),
    ),
    comparison(
        "register",
        "register_l is null or register_r is null",
        level("register_l = register_r", "two numbers of one register"),
    ),
]  # fmt: skip
DAY = "l.birth_date = r.birth_date"
RULES = [
    f"{DAY} and l.given_name = r.given_name",
    f"{DAY} and l.family_name = r.family_name",
    f"{DAY} and l.given_skeleton = r.given_skeleton",
    f"{DAY} and l.family_skeleton = r.family_skeleton",
    f"{DAY} and l.given_name = r.family_name",
    f"{DAY} and l.postcode = r.postcode",
    f"{DAY} and l.practice = r.practice",
    "l.postcode = r.postcode and l.given_skeleton = r.given_skeleton",
    "l.postcode = r.postcode and l.family_name = r.family_name and l.birth_year = r.birth_year",
    "l.postcode = r.postcode and l.given_name = r.family_name",
    "l.given_name = r.given_name and l.family_name = r.family_name and l.birth_year = r.birth_year",
    "l.given_name = r.given_name and l.family_name = r.family_name and l.birth_day = r.birth_day",
    "l.practice = r.practice and l.given_skeleton = r.given_skeleton and l.family_skeleton = r.family_skeleton and l.birth_year = r.birth_year",
    "l.digits_end = r.number_end",
    "l.digits_begin = r.number_begin",
]
# What pairs that a number joins cannot teach, by level from the top: m, u.
BY_HAND = {
    "place": [
        (None, 2e-5),
        (None, 3e-4),
        (None, 8e-3),
        (None, 1e-2),
        (None, 0.98),
    ],  # as in a region of a million, not in a small sample
    "number": [(0.97, 2e-7), (0.016, 5e-6), (0.014, 1.0)],
    "register": [(0.004, None), (0.996, None)],
}


def settings(comparisons: list[dict[str, Any]], rules: list[str]) -> dict[str, Any]:
    """The untrained model."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "probability_two_random_records_match": PRIOR,
        "retain_matching_columns": False,
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": [{"blocking_rule": rule, "sql_dialect": "duckdb"} for rule in rules],
    }


def learn(
    con: duckdb.DuckDBPyConnection, table: str, label: str, untrained: dict[str, Any], by_hand: dict[str, Any]
) -> dict[str, Any]:
    """u from pairs of one row a label, m from pairs of equal labels. Returns the trained model as Splink's JSON."""
    logging.getLogger("splink").setLevel(logging.CRITICAL + 1)
    from splink import DuckDBAPI, Linker

    con.execute(
        f"create or replace table apart as from {table} qualify row_number() over (partition by {label} order by unique_id) = 1"
    )
    con.execute(f"create or replace table together as from {table} where {label} is not null")
    api = DuckDBAPI(connection=con)
    by_chance = Linker(api.register("apart"), untrained, log_level=None, validate_settings=False)
    by_chance.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    by_person = Linker(api.register("together"), untrained, log_level=None, validate_settings=False)
    by_person.training.estimate_m_from_label_column(label)
    u, m = by_chance.misc.save_model_to_json(), by_person.misc.save_model_to_json()
    for one, other in zip(m["comparisons"], u["comparisons"], strict=True):
        known = [item for item in one["comparison_levels"] if not item.get("is_null_level")]
        chance = [item for item in other["comparison_levels"] if not item.get("is_null_level")]
        given = by_hand.get(one["output_column_name"], [(None, None)] * len(known))
        for mine, theirs, (set_m, set_u) in zip(known, chance, given, strict=True):
            mine["m_probability"] = max(set_m or mine.get("m_probability", 0), LEAST_M)
            mine["u_probability"] = max(set_u or theirs.get("u_probability", 0), LEAST_U if not set_u else 0)
            for name in ("m_probability", "u_probability"):
                mine[name] = float(f"{mine[name]:.4g}")
            mine.pop("fix_m_probability", None), mine.pop("fix_u_probability", None)
    m.pop("linker_uid", None)
    return m


def from_invented() -> None:
    """The model of this service, and how common names are."""
    from tests import linkage_records
    from tests.linkage_population import census, records
    from transforms.join import CLUSTERED, WEIGHED
    from transforms.join import FOLDER as FILES
    from transforms.sqlfolder import ordered, run_file

    con = linkage_records.database()
    linkage_records.fill(con, records(SEED, census(TOTAL, LEAST)))
    for path in ordered(FILES):
        if path.stem not in (*WEIGHED, *CLUSTERED):
            run_file(con, path)
    for column, target in (("given_name", "given_name_shares"), ("family_name", "family_name_shares")):
        found = con.execute(f"""
            select {column}, round(count(*) / sum(count(*)) over (), 6) from linked.comparand where {column} is not null
            group by 1 having count(*) >= 12 order by 1""").fetchall()  # fmt: skip
        with open(FOLDER / f"{target}.csv", "w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows([("name", "share"), *found])
    con.execute(
        "create or replace table learnt_from as select *, local_no as unique_id, case when is_verified then number end as label from linked.comparand"
    )
    model = learn(con, "learnt_from", "label", settings(COMPARISONS, RULES), BY_HAND)
    write(FOLDER / "people.json", model)


def write(path: Path, model: dict[str, Any]) -> None:
    """Write a trained model, and tell its weights."""
    path.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    for item in model["comparisons"]:
        for one in item["comparison_levels"]:
            if not one.get("is_null_level"):
                print(
                    f"{item['output_column_name']:12} {one['label_for_charts']:36} m {one['m_probability']:<10} u {one['u_probability']}"
                )


# FEBRL 4: other columns, the same code. Its social security number stands where the NHS number does.
def alike(name: str, *more: dict[str, Any]) -> dict[str, Any]:
    close = f"jaro_winkler_similarity({name}_l, {name}_r) >= 0.88 or damerau_levenshtein({name}_l, {name}_r) <= 1"
    return comparison(
        name,
        f"{name}_l is null or {name}_r is null",
        level(f"{name}_l = {name}_r", "equal"),
        *more,
        level(close, "nearly"),
    )


def turned(one: str, other: str) -> dict[str, Any]:
    return level(f"{one}_l = {other}_r and {other}_l = {one}_r", "swapped")


FEBRL_COMPARISONS = [
    alike("given_name", turned("given_name", "surname")),
    alike("surname"),
    alike("date_of_birth"),
    alike("address_1", turned("address_1", "address_2")),
    alike("suburb"),
    alike("postcode"),
    alike("street_number"),
    alike("soc_sec_id"),
]
FEBRL_RULES = [
    "l.soc_sec_id = r.soc_sec_id",
    "l.date_of_birth = r.date_of_birth",
    "l.surname = r.surname and l.given_name = r.given_name",
    "l.surname = r.given_name and l.given_name = r.surname",
    "l.surname = r.surname and l.postcode = r.postcode",
    "l.given_name = r.given_name and l.postcode = r.postcode",
    "l.given_name = r.given_name and l.suburb = r.suburb",
    "l.surname = r.surname and l.suburb = r.suburb",
    "l.address_1 = r.address_1 and l.street_number = r.street_number",
    "l.address_1 = r.address_1 and l.postcode = r.postcode",
]
FEBRL_BY_HAND = {"soc_sec_id": [(0.9, 1e-6), (0.08, 1e-5), (0.02, 1.0)]}


def from_febrl() -> None:
    """A model for the FEBRL 4 files, learnt without reading who is who."""
    from tests.febrl import comparands

    con = duckdb.connect()
    comparands(con)
    untrained = settings(FEBRL_COMPARISONS, FEBRL_RULES) | {"probability_two_random_records_match": 1e-4}
    con.execute("create or replace table learnt_from as select *, soc_sec_id as label from to_compare")
    write(ROOT / "tests" / "febrl4.json", learn(con, "learnt_from", "label", untrained, FEBRL_BY_HAND))


if __name__ == "__main__":
    from_febrl() if sys.argv[1:] == ["--febrl"] else from_invented()
