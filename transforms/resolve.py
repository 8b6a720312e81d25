"""Distinct values -> codes: the one place where a value meets the code maps.

Promise: a value is read with the vocabularies that its column declares, in their order, and with no other. Few distinct
values are resolved once; the bulk then joins on the value as it was sent, so no map can multiply rows.
"""

import duckdb

from transforms.standard import Layout, Standard

COLUMNS = "value, vocabulary, code, detail, status, reason, relation"


def declared(standard: Standard, layout: Layout, provider: str) -> list[dict]:
    """One row per coded column and vocabulary: field, column of the table, system, vocabulary, place, is_partial."""
    systems = standard.characteristics()
    rows = []

    def add(name: str, column: str, vocabularies: list[str], is_partial: bool) -> None:
        for place, vocabulary in enumerate(standard.vocabularies(vocabularies, provider), start=1):
            facts = {"field": name, "column_name": column, "system": systems[name], "is_partial": is_partial}
            rows.append({**facts, "vocabulary": vocabulary, "place": place, "first": vocabularies[0]})

    for name, entry in layout.fields.items():
        if entry.get("vocabulary"):
            add(name, name, entry["vocabulary"], False)
    for column, items in (layout["states"] or {}).items():
        for item in items if isinstance(items, list) else ():
            add(item["characteristic"], column, item["vocabulary"], True)
    return rows


RESOLVE = """
-- One row per coded field and distinct value: the code it means, or why it means none.
create or replace table resolved as
with wanted as (
    select distinct v.field, v.value, d.first, d.is_partial
    from value_counted v join declared d using (field) where d.place = 1
),
tried as (
    select w.field, w.value, d.system, d.vocabulary, d.place, y.matching,
           folded(w.value, y.is_case_sensitive = 'true') as folded_value
    from wanted w join declared d using (field) join standard.vocabulary y using (vocabulary)
    where w.value is not null
),
mapped as (
    select m.*, folded(m.value, y.is_case_sensitive = 'true') as folded_value
    from standard.code_map m join standard.vocabulary y using (vocabulary)
),
matched as (
    select t.field, t.value as sent, t.place, 1 as how, m.*
    from tried t join mapped m using (system, vocabulary, folded_value)
    union all by name
    -- A national letter may be followed by one local character, which is kept raw.
    select t.field, t.value as sent, t.place, 2 as how, m.*
    from tried t join mapped m
      on m.system = t.system and m.vocabulary = t.vocabulary and m.folded_value = left(t.folded_value, 1)
    where t.matching = 'first_of_two' and length(t.folded_value) = 2 and regexp_full_match(m.folded_value, '[A-Z]')
),
best as (
    select * from matched qualify row_number() over (partition by field, sent order by place, how) = 1
)
select w.field, w.value, w.is_partial, coalesce(b.vocabulary, w.first) as vocabulary,
       nullif(b.code, '') as code, nullif(b.detail, '') as detail,
       case when folded(w.value, true) is null then 'not_recorded' else coalesce(b.status, 'unrecognised') end as status,
       case when folded(w.value, true) is null then 'blank' when b.status is null then 'not_in_map' else nullif(b.reason, '') end
           as reason,
       coalesce(b.relation, 'none') as relation
from wanted w left join best b on b.field = w.field and b.sent = w.value
where not (w.is_partial and b.status is null)
"""


def resolve(con: duckdb.DuckDBPyConnection) -> None:
    """Make table `resolved` from tables `value_counted` (field, value, n) and `declared`. Needs schema standard."""
    con.execute(RESOLVE)


def resolved_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """A hash of what the maps say of these values, or that they say nothing."""
    query = f"""select coalesce(md5(string_agg(md5(coalesce(field, '') || row(field, {COLUMNS})::text), ''
                order by field, value)), 'none') from resolved"""
    return con.execute(query).fetchone()[0]
