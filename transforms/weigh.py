"""linked.comparand, linked.rehearsed -> linked.scored_pair: what is new is compared with everything, once.

Promise: a pair that was scored is not scored again until the model, the term frequencies or the code of it change; and one
of whose records is gone, or says something else now, is gone.
"""

from typing import Any

import duckdb

from transforms import fingerprint
from transforms.score import read_model, score
from transforms.sqltext import text
from transforms.standard import Standard

LISTS = ("nicknames", "transliterations", "placeholder_names", "pseudo_postcodes")
SEX = "sex"
SHARES = ("given_name_shares", "family_name_shares")
SHAPES = """
    create schema if not exists linked;
    create or replace table linked.scored_pair (
        comparand_key_a uuid, comparand_key_b uuid, record_key_a uuid, record_key_b uuid, weight double, held varchar);
    create or replace table linked.scored_comparand (comparand_key uuid);
    create or replace table linked.judged (
        record_key_a uuid, record_key_b uuid, values_key_a uuid, values_key_b uuid, is_same boolean, key_id varchar,
        filename varchar, line integer)"""
SCORING: tuple[str, ...] = ("score.py", "weigh.py", "macros.sql")
SCORING += tuple(f"linked/{name}.sql" for name in ("numbered_person", "comparand", "rehearsed", "name"))


def model_version(standard: Standard) -> str:
    """What a weight hangs on beside the two records: the model, the lists it reads, and the code."""
    linkage = standard.settings["linkage"]
    model = (standard.folder / "linkage" / linkage["model"]).read_text(encoding="utf-8")
    lists: list[Any] = [standard.tables[name] for name in (*LISTS, *SHARES)]
    lists.append([(row["value"], row["code"], row["status"]) for row in standard.code_maps if row["system"] == SEX])
    settings = [linkage[name] for name in ("reviewed_from", "unlisted_name", "held")]
    return fingerprint.of(model, lists, settings, fingerprint.code(*SCORING))[:12]


def weigh(con: duckdb.DuckDBPyConnection, standard: Standard) -> dict[str, int]:
    """linked.scored_pair and linked.scored_comparand brought up to date: what is new is compared with everything."""
    linkage = standard.settings["linkage"]
    model = read_model(standard.folder / "linkage" / linkage["model"])
    con.execute("""
        create or replace table to_compare as
        select c.*, c.local_no as unique_id, s.comparand_key is null as is_new
        from (from linked.comparand union all by name from linked.rehearsed) as c
        left join linked.scored_comparand as s using (comparand_key)""")
    compared = score(con, model, float(linkage["reviewed_from"]))
    held = " ".join(f"when {item['when']} then {text(item['reason'])}" for item in linkage["held"])
    untold = ", ".join(text(item["reason"]) for item in linkage["held"] if not item["is_told"])
    con.execute(f"""
        create or replace table linked.scored_pair as
        select p.* from linked.scored_pair as p
        semi join to_compare as a on a.comparand_key = p.comparand_key_a
        semi join to_compare as b on b.comparand_key = p.comparand_key_b
        union
        select least(a.comparand_key, b.comparand_key), greatest(a.comparand_key, b.comparand_key),
               if(a.comparand_key < b.comparand_key, a.record_key, b.record_key),
               if(a.comparand_key < b.comparand_key, b.record_key, a.record_key), round(match_weight, 4), case {held} end as held
        from scored as s join to_compare as a on a.unique_id = s.unique_id_l join to_compare as b on b.unique_id = s.unique_id_r
        where held is null or held not in ({untold});
        create or replace table linked.scored_comparand as select comparand_key from to_compare;
        drop table to_compare; drop table scored""")
    return {"pairs compared": compared}
