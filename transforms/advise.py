"""A judged file -> what would help it most: the few changes after which most of its records would say something usable.

Promise: only counts, column names, rules, and coded values that stand there as often as disclosure.yml asks.
"""

import re

import duckdb

from transforms.faults import Row, closest, grouped, nearest
from transforms.render import count
from transforms.standard import Layout, Standard

MOST = 5
# Of table `meant` (scorecard.status_facts): how often each coded field means what.
MEANT = """
create or replace temp table said as
select m.field, r.value, m.n, c.kind, c.vodim
from meant m join resolved r using (meaning_no)
join (select field, system from declared where place = 1 and not is_partial) d on d.field = m.field
left join standard.code c on c.system = d.system and c.kind <> 'detail' and c.code = coalesce(r.code, r.status)
"""
STATES = """
select field, case when kind = 'group' then kind when vodim in ('default', 'missing') then vodim end as state,
       sum(n)::bigint as n
from said group by all having state is not null order by all
"""
UNKNOWN = """
select field, value, sum(n)::bigint as n from said where kind = 'absence' and vodim = 'invalid'
group by all order by field, n desc, value
"""
SAY = {  # what is wrong with records, and what to do about it
    "missing": "fill in {column}, which is blank",
    "default": "ask the people whose {column} is recorded as not known",
    "group": "record more than a wide group in {column}",
}


class Values:
    """The values of a file that no map knows, by field, the most frequent first; those seen seldom have no name."""

    def __init__(self, con: duckdb.DuckDBPyConnection, standard: Standard, layout: Layout, provider: str):
        self.standard, self.layout, self.provider = standard, layout, provider
        con.execute(MEANT)
        self.states = con.execute(STATES).fetchall()
        self.of_field: dict[str, list[tuple[str, int]]] = {}
        for name, value, n in con.execute(UNKNOWN).fetchall():
            self.of_field.setdefault(name, []).append((value, n))
        self.maps = grouped(standard.code_maps, "system")

    def least(self, name: str) -> int:
        """How often a value of a field must stand there to be named."""
        rules = self.standard.settings["disclosure"]
        rules = rules["sensitive"] if self.standard.characteristic(name)["suppression"] == "sensitive" else rules
        return int(rules["smallest_count_shown"])

    def shown(self, name: str) -> list[tuple[str, int]]:
        least = self.least(name)
        return [(value, n) for value, n in self.of_field.get(name, []) if n >= least]

    def vocabularies(self, name: str) -> tuple[str, ...]:
        return self.standard.vocabularies(self.layout.fields[name].get("vocabulary") or (), self.provider)

    def _rows(self, name: str) -> list[Row]:
        return self.maps[self.standard.characteristics()[name]]

    def near(self, name: str, value: str) -> str:
        """A hint: the nearest value of the column's own vocabularies, or the one whose term says what was sent."""
        declared = self.vocabularies(name)
        rows = [row for row in self._rows(name) if row["vocabulary"] in declared]
        if any(row["value"] == value.strip() for row in rows):
            return "the standard refuses it, or it counts only on other dates"
        rows = [row for row in rows if row["status"] != "unrecognised"]
        by_term = {row["term"].casefold(): row for row in rows if row["term"]}
        words = re.compile(rf"(?<!\w){re.escape(value.strip().casefold())}(?!\w)")
        saying = [row for term, row in by_term.items() if len(value.strip()) > 2 and words.search(term)]
        if len({row["code"] for row in saying}) == 1:
            return f"did you mean '{saying[0]['value']}' ({saying[0]['term']})?"
        if term := closest(value.casefold(), by_term):
            return f"did you mean '{by_term[term]['value']}' ({by_term[term]['term']})?"
        return nearest(value, {row["value"] for row in rows})

    def other_vocabulary(self, name: str) -> tuple[str, int]:
        """The vocabulary, not declared for the column, that knows most of these records; if it knows half of them."""
        unknown, best = self.of_field.get(name, []), ("", 0)
        sent: dict[str, set[str]] = {}
        for row in self._rows(name):
            sent.setdefault(row["vocabulary"], set()).add(row["value"].strip().upper())
        for vocabulary in sorted(set(sent) - set(self.vocabularies(name))):
            known = [n for value, n in unknown if value.strip().upper() in sent[vocabulary]]
            if len(known) > 2 and sum(known) > best[1]:  # one word or two prove nothing
                best = (vocabulary, sum(known))
        return best if 2 * best[1] >= sum(n for _, n in unknown) else ("", 0)


def plain(text: str) -> str:
    """A provider's text on one line of a terminal, without what could steer it."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def advise(values: Values, rules: list[Row], absent: list[str], n_records: int) -> list[str]:
    """The changes that would help most, in words, the one with most records first."""
    standard, layout = values.standard, values.layout
    wanted = {
        row["field"]
        for row in standard.fields_of(layout.table)
        if row["requirement"] != "optional" and row["field"] in layout.fields
    }
    column = {name: entry["column"] for name, entry in layout.fields.items()}
    title = {row["vocabulary"]: row["title"] for row in standard.tables["vocabularies"]}
    found: list[tuple[int, str, str]] = []  # records, column, what to do
    told: set[tuple[str, str]] = set()  # column, and what of its statuses is said already
    coded = standard.characteristics()
    for name in sorted(layout.fields, key=lambda name: name not in wanted):
        if column[name] in absent and (name in wanted or name in coded):
            found.append((n_records, column[name], f"add the column {column[name]}: {name} is in no record"))
    for name, state, n in values.states:
        if state in SAY and name in wanted and column[name] not in absent:
            found.append((n, column[name], SAY[state].format(column=column[name])))
            told.add((column[name], state))
    for name, unknown in values.of_field.items():
        vocabulary, n = values.other_vocabulary(name)
        declared = title[values.vocabularies(name)[0]]
        told.add((column[name], "invalid"))
        if vocabulary:
            said = f"{column[name]} holds codes of '{title[vocabulary]}', and the layout says '{declared}': correct one of them"
            found.append((n, column[name], said))
            continue
        top = values.shown(name)[:3]
        listed = ", ".join(plain(value) for value, _ in top)
        n = sum(n for _, n in top) or sum(n for _, n in unknown)
        which = f"these {len(top)} codes" if len(top) > 1 else "this code" if top else "the rare codes"
        said = f"send {which} of {column[name]} in '{declared}', or ask for rows in its map"
        found.append((n, column[name], f"{said}: {listed}" if top else said))
    known = {rule.id: rule for rule in standard.rules_of_layout[layout.name]}
    mended = {(name, n) for n, name, _ in found}
    for rule in rules:
        if rule["rejected_all"]:
            found.append((n_records, rule["column"], f"{rule['what_to_do'].rstrip('.')} (all is rejected until then)"))
            continue
        # What a rule says of the statuses of a coded column is told above, where it is; another may say it of fewer records.
        covered = (rule["column"], known[rule["rule"]].about_status) in told
        covered = covered or known[rule["rule"]].severity == "trial"  # shown, and nobody is asked to act on it yet
        covered = covered or any(name == rule["column"] and n >= rule["failed"] for name, n in mended)
        if rule["failed"] and rule["is_theirs"] and rule["column"] not in absent and not covered:
            aside = " (these are set aside)" if known[rule["rule"]].rejects == "record" else ""
            found.append((rule["failed"], rule["column"], f"{rule['what_to_do'].rstrip('.')}{aside}"))
    ranked = sorted(found, key=lambda item: -item[0])[:MOST]
    return [f"    {place}. {count(n):>9} records: {said}" for place, (n, _, said) in enumerate(ranked, start=1)]
