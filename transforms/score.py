"""Records as they are compared -> weights of pairs, by Splink.

Promise: a weight is a pure function of two records, the model and the term frequencies; it hangs on nothing else that is
there. Only pairs are compared in which at most one has a verified number, or in which one number has two birth dates.
"""

import json
import logging
from pathlib import Path
from typing import Any

import duckdb

from transforms.engine import EngineFault

NUMBERS = "not (l.is_verified and r.is_verified)"
SAME_NUMBER = "l.number = r.number and coalesce(not birth_dates_agree(l.birth_date, r.birth_date), true)"


def read_model(path: Path) -> dict[str, Any]:
    """A trained model: Splink's own JSON."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def find_pairs(con: duckdb.DuckDBPyConnection, rules: list[str]) -> int:
    """Table `candidate`: the pairs to compare, once each, of `to_compare` in which one is new (`is_new`).

    Every rule says with l and r which pairs are worth it. A record with a verified number is only ever the second of a
    pair, so that such records are not joined with each other. Returns the number of pairs.
    """
    con.execute("""
        create or replace temp table pair_found (unique_id_l integer, unique_id_r integer);
        create or replace temp view opened as from to_compare where not is_verified""")
    for rule in rules:
        for sides in ("l.is_new", "not l.is_new and r.is_new"):
            con.execute(f"""
                insert into pair_found
                select least(l.unique_id, r.unique_id), greatest(l.unique_id, r.unique_id)
                from opened as l join to_compare as r on {rule}
                where {sides} and l.unique_id <> r.unique_id and (r.is_verified or not r.is_new or l.unique_id < r.unique_id)""")
    if "number" in {row[0] for row in con.execute("describe to_compare").fetchall()}:
        con.execute(f"""
            insert into pair_found select l.unique_id, r.unique_id from to_compare as l join to_compare as r on {SAME_NUMBER}
            where l.unique_id < r.unique_id and (l.is_new or r.is_new)""")
    con.execute("""
        create or replace table candidate as
        select '0' as match_key, unique_id_l as join_key_l, unique_id_r as join_key_r from pair_found group by all;
        drop table pair_found""")
    return int(con.execute("select count(*) from candidate").fetchone()[0])


def score(con: duckdb.DuckDBPyConnection, model: dict[str, Any], least_weight: float) -> int:
    """Table `scored`: unique_id_l, unique_id_r, match_weight and gamma_<comparison> of the pairs that weigh enough.

    Reads `to_compare` (unique_id, is_verified, is_new and what the model compares). Returns how many pairs were compared.
    """
    rules = [rule["blocking_rule"] for rule in model["blocking_rules_to_generate_predictions"]]
    gammas = [f"gamma_{item['output_column_name']}" for item in model["comparisons"]]
    compared = find_pairs(con, rules)
    if not compared:
        shape = "unique_id_l integer, unique_id_r integer, match_weight double"
        con.execute(f"create or replace table scored ({shape}, {', '.join(f'{name} integer' for name in gammas)})")
        return 0
    logging.getLogger("splink").setLevel(logging.CRITICAL + 1)  # it tells of values
    from splink import DuckDBAPI, Linker
    from splink.internals.exceptions import SplinkException

    try:
        api = DuckDBAPI(connection=con)
        frame = api.register("to_compare")
        wanted = model | {"retain_matching_columns": True}
        linker = Linker(frame, wanted, log_level=None, validate_settings=False)
        for column in linker._settings_obj._term_frequency_columns:
            # The records carry them already; Splink counts them anew unless it knows a table.
            name = column.unquote().name
            con.execute(
                f"create or replace table listed_{name} as select distinct {name}, {column.tf_name} from to_compare"
            )
            linker.table_management.register_term_frequency_lookup(api.register(f"listed_{name}"), name)
        linker.table_management.register_blocked_pairs_for_predict(api.register("candidate"))
        found = linker.inference.predict(threshold_match_weight=least_weight, warning_mode="never")
        con.execute(f"""
            create or replace table scored as
            select unique_id_l, unique_id_r, match_weight, {", ".join(gammas)} from {found.physical_name}""")
        linker.table_management.delete_tables_created_by_splink_from_db()
    except SplinkException as error:  # its message repeats what was in a cell
        raise EngineFault(f"scoring failed: {type(error).__name__}") from None
    con.execute("drop table candidate")
    return compared
