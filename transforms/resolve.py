"""Distinct values -> codes: the one place where a value meets the code maps.

Promise: a value is read with the vocabularies that its column declares, in their order, and with no other. Few distinct
values are resolved once; the bulk then joins on the value as it was sent, so no map can multiply rows.
"""

import duckdb

from transforms.sqltext import text
from transforms.standard import Layout, Standard
from transforms.validity import ALWAYS

COLUMNS = "value, vocabulary, code, detail, status, reason, relation, valid_from, valid_to"


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
-- One row per coded field, distinct value and stretch of time: the code it means then, or why it means none.
-- Nearly every row of a map is valid always, so that nearly every value has one stretch; meaning_no numbers them all.
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
    select m.* exclude (valid_from, valid_to), folded(m.value, y.is_case_sensitive = 'true') as folded_value,
           coalesce(nullif(m.valid_from, '')::date, getvariable('always_from')) as valid_from,
           coalesce(nullif(m.valid_to, '')::date, getvariable('always_to')) as valid_to
    from standard.code_map m join standard.vocabulary y using (vocabulary)
    where (m.system, m.vocabulary) in (select system, vocabulary from declared)
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
begun as (
    select field, sent, valid_from as starts from matched
    union select field, sent, valid_to + 1 from matched where valid_to < getvariable('always_to')
    union select field, sent, getvariable('always_from') from matched
),
stretch as (
    select field, sent, starts, coalesce(lead(starts) over (partition by field, sent order by starts) - 1,
                                         getvariable('always_to')) as ends
    from begun
),
best as (
    select s.*, m.* exclude (field, sent, valid_from, valid_to)
    from stretch s left join matched m
      on m.field = s.field and m.sent = s.sent and m.valid_from <= s.starts and m.valid_to >= s.ends
    qualify row_number() over (partition by s.field, s.sent, s.starts order by m.place, m.how) = 1
)
select (row_number() over (order by w.field, w.value, b.starts))::integer as meaning_no,
       w.field, w.value, w.is_partial, coalesce(b.vocabulary, w.first) as vocabulary,
       nullif(b.code, '') as code, nullif(b.detail, '') as detail,
       case when folded(w.value, true) is null then 'not_recorded' else coalesce(b.status, 'unrecognised') end as status,
       case when folded(w.value, true) is null then 'blank' when b.sent is null then 'not_in_map'
            when b.status is null then 'not_valid_on_date' else nullif(b.reason, '') end as reason,
       coalesce(b.relation, 'none') as relation,
       coalesce(b.starts, getvariable('always_from')) as valid_from, coalesce(b.ends, getvariable('always_to')) as valid_to
from wanted w left join best b on b.field = w.field and b.sent = w.value
-- In a column of dated codes most say nothing of this item: those that no map knows, and those that a map names as
-- being about something else, such as next of kin beside carers.
left join standard.reason o on o.reason = split_part(b.reason, ':', 1)
where not (w.is_partial and (b.sent is null or (b.status = 'unrecognised' and o.is_about_the_item = 'false')))
"""


def resolve(con: duckdb.DuckDBPyConnection) -> None:
    """Make table `resolved` from tables `value_counted` (field, value, n) and `declared`. Needs schema standard.

    A value has several rows, with stretches of time that do not meet, only where a map's rows are not valid always.
    """
    for name, day in zip(("always_from", "always_to"), ALWAYS, strict=True):
        con.execute(f"set variable {name} = date '{day}'")
    con.execute(RESOLVE)


def dated_by(layout: Layout, name: str) -> list[tuple[str, int]]:
    """The dates that a coded field may be of, in order, each with its basis: recorded (1), the event (2).

    Where all are blank the end of the period counts (3).
    """
    recorded = layout.fields.get(name, {}).get("recorded_on")
    found = [(recorded, 1)] if recorded in layout.fields else []
    return [*found, (layout["event_date"], 2)] if layout["event_date"] else found


def day_of(layout: Layout, name: str, period: str, prefix: str = "") -> str:
    """The day that a coded field's value is about, as SQL: it decides which rows of a map are valid."""
    dates = "".join(f"{prefix}{column}, " for column, _ in dated_by(layout, name))
    return f"coalesce({dates}last_day(date '{period}-01'))"


FEW = 1000  # values of one field; more are joined. Ingest writes so few as a dictionary, of which each word is looked up once


MEANT = ("code", "status", "meaning_no")


def set_meanings(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Variables `code_of`, `status_of` and `meaning_no_of`: field -> value -> what it means, for `meaning`. Returns the
    fields that are in them, which have few values, each with one meaning at all times. Needs table `resolved`.

    To look a word up is a function of one column, which DuckDB works out for each word of a file's dictionary and not
    for each row: a tenth of the price of a join, of which a wide file has thirty.
    """
    always = f"('{ALWAYS[0]}'::date, '{ALWAYS[1]}'::date)"
    con.execute(f"""
        create or replace temp table few as
            select field, list(value) as words, list(code) as code, list(status) as status, list(meaning_no) as meaning_no,
                   any_value(blank) as blank
            from resolved left join (select field, min(meaning_no) as blank from resolved where value is null group by 1)
                 using (field)
            where value is not null
            group by field having count(*) <= {FEW} and bool_and((valid_from, valid_to) = {always});
        set variable blank_no_of = (select map(list(field), list(blank)) from few)""")
    for what in MEANT:
        con.execute(f"set variable {what}_of = (select map(list(field), list(map(words, {what}))) from few)")
    return {row[0] for row in con.execute("select field from few").fetchall()}


def meaning(what: str, name: str, value: str) -> str:
    """One of MEANT of a field's value, as SQL: null where nothing was sent, but for the number that a blank has too."""
    found = f"map_extract_value(map_extract_value(getvariable('{what}_of'), {text(name)}), {value})"
    if what != "meaning_no":
        return found
    return (
        f"case when {value} is null then map_extract_value(getvariable('blank_no_of'), {text(name)}) else {found} end"
    )


def is_dated(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether some value of a field means different things at different times."""
    query = "select count(*) from resolved where field = ? and (valid_from, valid_to) <> (?, ?)"
    return bool(con.execute(query, [name, *ALWAYS]).fetchone()[0])


def resolved_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """A hash of what the maps say of these values, or that they say nothing."""
    query = f"""select coalesce(md5(string_agg(md5(coalesce(field, '') || row(field, {COLUMNS})::text), ''
                order by meaning_no)), 'none') from resolved"""
    return con.execute(query).fetchone()[0]
