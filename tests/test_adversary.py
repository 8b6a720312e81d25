"""The regime of disclosure.yml against somebody who adds up and subtracts (tests/adversary.py)."""

import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import duckdb
import numpy as np
import pytest

from tests import lakes
from tests.adversary import Cell, breaches, sheet
from tests.cells import BOARDS, CATEGORIES, IN_ORDER, YEAR, known, prepared, published, through_the_door
from tests.lakes import PERIOD
from tests.synthetic import deliver, write_postcodes
from transforms import bounds, disclose, earlier, exact, hold, keys, publish, quantities, release, secondary, status
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.standard import Standard


def random_tables(con: duckdb.DuckDBPyConnection, n: int, seed: int) -> None:
    """Each table a metric of its own: few or many people by board and category, with sums of both, and a second breakdown."""
    rng = np.random.default_rng(seed)
    con.execute(
        "create or replace table event (metric varchar, board varchar, category varchar, quintile varchar, is_in boolean)"
    )
    rows = []
    for no in range(n):
        boards, categories = BOARDS[: rng.integers(1, 4)], rng.permutation(CATEGORIES)[: rng.integers(2, 6)]
        scale = rng.choice([2, 5, 12, 40])
        for board in boards:
            for category in categories:
                for is_in in (True, False):
                    if rng.random() < 0.8:
                        many = int(rng.poisson(scale * rng.random() * (1 if is_in else 2)))
                        rows += [(f"m{no:03d}", board, str(category), str(rng.integers(1, 3)), is_in)] * many
    con.register(
        "incoming",
        {
            name: np.array(column)
            for name, column in zip(("metric", "board", "category", "quintile", "is_in"), zip(*rows))
        },
    )
    con.execute("insert into event from incoming")
    con.unregister("incoming")
    count_events(con)


def count_events(con: duckdb.DuckDBPyConnection) -> None:
    """Make measure.cell of what happened."""
    con.execute(f"""delete from measure.cell; insert into measure.cell
        with placed as (
            select 'icb_of_residence' as place_kind, board as place, * from event
            union all select 'region', getvariable('region'), * from event
        ),
        cut as (
            select p.*, b.breakdown, case b.breakdown when 'everyone' then 'everyone' when 'ethnic_category' then category
                   when 'ethnic_group' then coalesce(c."group", category) when 'deprivation_quintile' then quintile
                   else coalesce(c."group", category) || ' x ' || quintile end as name
            from placed as p
            left join standard.classification as c
              on c.system = 'ethnic_category' and c.classification = 'heritage' and c.code = category and c."group" <> ''
            cross join (select unnest(['everyone', 'ethnic_category', 'ethnic_group', 'deprivation_quintile',
                                       'ethnic_group x deprivation_quintile']) as breakdown) as b
            where b.breakdown in ('everyone', 'ethnic_category') or hash(metric, b.breakdown) % 2 = 0
        )
        select 'metric_value', metric, '{YEAR}', place_kind, place, breakdown, name, count(*) filter (is_in), count(*),
               count(*) filter (is_in), count(*), count(*) filter (not is_in), 'standard'
        from cut group by all""")


def attacked(con: duckdb.DuckDBPyConnection, standard: Standard, **how) -> dict:
    """What the adversary works out of the disclosed cells."""
    fewest = int(standard.settings["disclosure"]["fewest_values"])
    told, listed = known(standard), published(con)
    found = {}
    for name in sorted({cell.metric for cell in listed}):
        found |= breaches(sheet([cell for cell in listed if cell.metric == name], told), fewest, **how)
    return found


def check_random_tables(n: int, seed: int, standard: Standard, monkeypatch) -> None:
    con = prepared(standard)
    random_tables(con, n, seed)
    with monkeypatch.context() as patch:
        patch.setattr(secondary, "protect", lambda told, fewest: None)
        through_the_door(con, standard)
    n_before = n_shown(con)
    assert len(attacked(con, standard, most=0)) > n / 10, "the adversary must win where nothing but few is hidden"
    through_the_door(con, standard)
    assert attacked(con, standard, most=10_000) == {}
    assert 0.4 * n_before < n_shown(con) < n_before


def n_shown(con: duckdb.DuckDBPyConnection) -> int:
    return con.execute("select count(*) from measure.disclosed_cell where status = 'shown'").fetchone()[0]


def test_nothing_can_be_worked_out_of_random_tables(standard, monkeypatch):
    check_random_tables(40, 1, standard, monkeypatch)


@pytest.mark.slow
def test_nothing_can_be_worked_out_of_five_hundred_random_tables(standard, monkeypatch):
    check_random_tables(500, 2, standard, monkeypatch)


def check_growing_tables(n: int, seed: int, standard: Standard) -> None:
    """Random tables, told again whenever a few of what they count have been added: what one release hides another must not tell."""
    con, listed = prepared(standard), []
    random_tables(con, n, seed)
    told, fewest = known(standard), int(standard.settings["disclosure"]["fewest_values"])
    for number in (1, 2, 3):
        try:
            through_the_door(con, standard)
        except secondary.NothingLeft:
            break  # then what is open stays
        listed += [replace(cell, release=number, same_as=same) for cell, same in zip(published(con), exact_counts(con))]
        con.execute(f"""insert into measure.earlier_cell by name
            select {number} as release, * exclude (hidden_as) from measure.published_cell""")
        con.execute(f"insert into event select * from event using sample 15 % (bernoulli, {number})")
        count_events(con)
    assert len({cell.release for cell in listed}) > 1
    for name in sorted({cell.metric for cell in listed}):
        assert breaches(sheet([cell for cell in listed if cell.metric == name], told), fewest, most=10_000) == {}, name


def exact_counts(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int, int]]:
    """Numerator, denominator and rest of each cell that `published` lists, in its order."""
    query = """select numerator, denominator, denominator - numerator from measure.judged_cell
               where suppression <> 'deliveries' and release = 0 order by all_of_cell"""
    return con.execute(query.replace("all_of_cell", IN_ORDER)).fetchall()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_can_be_worked_out_of_three_releases_of_growing_tables(standard, seed):
    check_growing_tables(12, seed, standard)


@pytest.mark.slow
def test_nothing_can_be_worked_out_of_three_releases_of_a_hundred_growing_tables(standard):
    check_growing_tables(100, 10, standard)


# What is published of a lake: every open table of every release that can be read, its notes and its manifest.


def told_by_releases(lake: Lake, standard: Standard) -> list[Cell]:
    """The cells of every open area that can be read, and what the adversary is told of each: which are few, and which are
    the same in two releases."""
    secret, found, seen = keys.load(lake, "protected").hex(), [], set()
    for folder in sorted(lake.path("releases").iterdir()):
        manifest = json.loads((folder / "release.json").read_text())
        if manifest["open_made_at"] in seen:
            continue
        seen.add(manifest["open_made_at"])
        con = duckdb.connect()
        con.execute(f"attach '{folder}/open/open.duckdb' as open (read_only)")
        con.execute(f"attach '{folder}/protected/protected.duckdb' as protected (read_only, encryption_key '{secret}')")
        open_cells = con.execute(OPEN_CELLS).fetchall()
        few = {row[:7]: row[7:] for row in con.execute(f"""
            select "table", metric, period, place_kind, place, breakdown, category, smallest_count_shown, rounding_base,
                   {PUBLISHED_FEW}, [numerator, denominator, denominator - numerator]
            from protected.published_cell where suppression <> 'deliveries'""").fetchall()}  # fmt: skip
        number = int(folder.name)
        for *where, numerator, denominator in open_cells:
            smallest, base, known_few, exact = few.pop(tuple(where))
            found.append(
                Cell(number, *where, numerator, denominator, smallest, base, frozenset(known_few), False, tuple(exact))
            )
        # Rows that are not there: the adversary is told that there is something, and must not find the few that are in it.
        # Nobody is kept from anybody there, nor are many.
        for where, (smallest, base, _, exact) in few.items():
            if where[0] != "agreement_margin":
                some = {kind for kind, n in zip(("numerator", "denominator"), exact, strict=False) if 0 < n < smallest}
                some |= {"rest"} if 0 < exact[2] < smallest else set()
                found.append(Cell(number, *where, None, None, smallest, base, frozenset(some), True, tuple(exact)))
        moved = {
            (row["characteristic"], row["was"], row["becomes"]): row["n_records"]
            for row in manifest["changes"]["moved"]
        }
        told = con.execute(
            "select characteristic, was, becomes, n_records from open.moved where cell_status = 'shown'"
        ).fetchall()
        assert moved == {row[:3]: row[3] for row in told}, "release notes say what the table says"
        assert not set(manifest) & {"inputs", "counts"}
        con.close()
    return found


OPEN_CELLS = """
select 'coverage', characteristic, period, place_kind, place, breakdown, category, n_people, n_people_in_place from open.coverage
union all select 'provider_scorecard', field, period, 'provider', provider, layout || ' vodim', vodim, n_records, n_records_in_all
from open.provider_scorecard
union all select 'provider_measure', field, period, place_kind, place, layout, measure, numerator, denominator
from open.provider_measure where measure not in ('coverage', 'timeliness_days', 'kappa', 'index')
union all select 'rule_score', rule, period, 'provider', provider, 'layout', layout, n_failed, n_checked from open.rule_score
union all select 'metric_value', metric, period, place_kind, place, breakdown, category, numerator, denominator
from open.metric_value where cell_status <> 'left_out'
union all select 'moved', characteristic, period, 'everyone', 'everyone', was, becomes, n_records, n_records_in_all from open.moved
"""
PUBLISHED_FEW = """list_filter([
    if(numerator between 1 and smallest_count_shown - 1 and not is_numerator_open and denominator >= smallest_count_shown, 'numerator', ''),
    if(denominator between 1 and smallest_count_shown - 1 and not is_denominator_open, 'denominator', ''),
    if(denominator - numerator between 1 and smallest_count_shown - 1 and not is_rest_open and denominator >= smallest_count_shown, 'rest', '')
], lambda w: w <> '')"""


@pytest.fixture(scope="module")
def released(tmp_path_factory, standard) -> tuple[Lake, Standard]:
    """Two releases of two trusts and a practice; in the second the practice has sent again, with forty people more."""
    folder = tmp_path_factory.mktemp("released")
    lake = lakes.new_lake(folder)
    import_postcodes(write_postcodes(folder / "postcodes.csv"), lake)
    landing = lake.path("landing")
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch, is_audited=False, is_proved=True)
        deliver(landing, "ZZ1", PERIOD, {"pas_patient": 150, "sus_outpatient": 150}, {"unrecognised": 6, "blank": 9})
        deliver(landing, "ZZ2", PERIOD, {"sus_outpatient": 100}, {"not_stated": 12}, first_person=90)
        deliver(landing, "ZP001", PERIOD, {"emis_patient": 60, "emis_observation": 60}, first_person=150)
        lakes.run(standard, lake)
        assert publish.publish(standard, lake)["release"] == 1
        deliver(landing, "ZP001", PERIOD, {"emis_patient": 100, "emis_observation": 100}, first_person=150)
        lakes.run(standard, lake)
        assert publish.publish(standard, lake)["release"] == 2
    return lake, standard


def test_nothing_can_be_worked_out_of_all_releases_together(released):
    lake, standard = released
    cells = told_by_releases(lake, standard)
    assert {cell.release for cell in cells} == {1, 2}
    assert breaches(sheet(cells, known(standard)), 5, sample=20) == {}


def test_every_sum_that_the_attack_reads_holds_in_the_exact_counts(released):
    """Else the adversary would win, or lose, by a mistake of ours: what is read of a number, and what numbers add up to."""
    lake, standard = released
    made = sheet(told_by_releases(lake, standard), known(standard))
    exact = {no: name[-1] if name[0] == "same" else 0 for name, no in made.named.items()}
    others = {no for name, no in made.named.items() if name[0] == "others"}
    assert len(made.sums) > 10_000 and others
    for terms in made.sums:
        left = sum(sign * exact[no] for no, sign in terms.items())
        # What has no row and nobody in it adds nothing; what the attack has no number for can only be missing.
        assert left <= 0 if others & set(terms) else left == 0, terms
    # What no sum holds, as what would be left over of a rate, is read by nobody.
    for no in {no for terms in made.sums for no in terms} - others:
        value = exact[no]
        assert made.low[no] <= value <= made.high[no] and not 0 < value < made.gap[no]


def test_a_sum_that_does_not_hold_stops_the_release(standard, monkeypatch):
    con = prepared(standard)
    random_tables(con, 3, 1)
    margins = quantities.ADDENDS
    monkeypatch.setattr(quantities, "ADDENDS", margins.replace("quantity_no, sign,", "quantity_no, 1 as sign,"))
    with pytest.raises(AssertionError, match="do not hold"):
        through_the_door(con, standard)


def test_a_release_that_hides_only_few_is_broken(released, tmp_path, monkeypatch):
    """The adversary must win against the same lake with nothing hidden beside the few."""
    lake, standard = released
    shutil.copytree(lake.root, tmp_path / "lake", symlinks=True)
    again = Lake(tmp_path / "lake", lake.keys)
    shutil.rmtree(again.path("releases"))
    again.path("current").unlink()
    lakes.hasten(monkeypatch, is_audited=False, is_proved=True)
    monkeypatch.setattr(secondary, "protect", lambda told, fewest: None)
    again.prepare()
    publish.publish(standard, again)
    assert breaches(sheet(told_by_releases(again, standard), known(standard)), 5, most=0) != {}


def test_every_sum_in_which_nothing_else_can_move_is_among_the_nearest():
    """A count of a sum whose whole is in many other sums: the one of these that says most is the smallest, and comes last."""
    n_others = exact.NEAR
    whole, told_part, fixed = 7, 6, 8
    rows = [(0, [*range(7), -whole])]  # 0 to 6 are, together, the whole
    rows += [(1 + no, [9 + 2 * no, 10 + 2 * no, -whole]) for no in range(n_others)]
    rows += [(1 + n_others, [told_part, fixed, -whole])]
    entries = [(margin, abs(who), 1 if who >= 0 else -1) for margin, members in rows for who in members]
    margin, quantity, sign = (np.array(column) for column in zip(*entries, strict=True))
    n = 9 + 2 * n_others
    system = bounds.collected(margin, quantity, sign, n)
    low, high = np.zeros(n, dtype=int), np.full(n, 9)
    high[fixed] = 0
    free, margins = exact._nearest(SimpleNamespace(system=system), low, high)(0)
    assert 0 in free and whole in free and fixed not in free and len(free) <= exact.NEAR
    may_move = set(free.tolist()) | {fixed}
    closed = {no for no, members in rows if {abs(who) for who in members} <= may_move}
    assert set(margins.tolist()) == closed and closed >= {0, 1 + n_others}


@pytest.mark.slow
def test_nothing_can_be_worked_out_near_two_thousand_cells(released):
    lake, standard = released
    assert breaches(sheet(told_by_releases(lake, standard), known(standard)), 5, sample=2000) == {}


def test_equal_data_tell_exactly_the_same_again_and_need_nothing_more(standard):
    con = prepared(standard)
    random_tables(con, 25, 3)
    through_the_door(con, standard)
    con.execute("create table told_before as from measure.disclosed_cell")
    assert con.execute("select count(*) from told_before where status = 'left_out'").fetchone()[0] > 2
    con.execute(
        "insert into measure.earlier_cell by name select 1 as release, * exclude (hidden_as) from measure.published_cell"
    )
    disclose.judge(con, standard)
    assert not earlier.is_too_close(con)  # nothing differs
    through_the_door(con, standard)
    assert con.execute("from told_before except from measure.disclosed_cell").fetchall() == []
    assert con.execute("from measure.disclosed_cell except from told_before").fetchall() == []
    assert con.execute("select n from standard.considered where what = 'hidden_too'").fetchone() == (0,)


def told_too_much(con: duckdb.DuckDBPyConnection, standard: Standard) -> None:
    """Ten people of whom two are of one category and eight of the other: as an earlier release told them, all but the two."""
    con.execute("delete from measure.cell")
    for breakdown, category, n in (("everyone", "everyone", 10), ("sex", "male", 8), ("sex", "female", 2)):
        row = (
            "metric_value",
            "m001",
            YEAR,
            "region",
            "midlands",
            breakdown,
            category,
            n,
            10 * n,
            n,
            10 * n,
            9 * n,
            "standard",
        )
        con.execute(f"insert into measure.cell values ({', '.join('?' * len(row))})", row)


def test_what_earlier_releases_give_away_stops_a_newer_one_and_alone_it_hides_more(standard):
    con = prepared(standard)
    told_too_much(con, standard)
    through_the_door(con, standard)
    assert n_shown(con) < 2 and attacked(con, standard) == {}
    con.execute("""
        insert into measure.earlier_cell by name
        select 1 as release, c.* exclude (hidden_as, was_hidden, was_base_hidden, is_numerator_open, is_denominator_open, is_rest_open,
                                          is_numerator_unprotected, is_denominator_unprotected, is_rest_unprotected, was_gone, was_left_out),
               category = 'female' as was_hidden, false as was_base_hidden, false as is_numerator_open,
               false as is_denominator_open, false as is_rest_open, false as is_numerator_unprotected,
               false as is_denominator_unprotected, false as is_rest_unprotected, false as was_gone, false as was_left_out
        from measure.published_cell as c""")
    with pytest.raises(secondary.NothingLeft):
        through_the_door(con, standard)


def test_where_nothing_can_be_hidden_any_more_the_open_area_stays_and_says_why(released, tmp_path, monkeypatch):
    lake, standard = released
    shutil.copytree(lake.root, tmp_path / "lake", symlinks=True)
    again = Lake(tmp_path / "lake", lake.keys)
    lakes.hasten(monkeypatch, is_audited=False)
    protect = secondary.protect

    def or_nothing(told, fewest: int) -> None:
        if told.was_shown.any():
            raise secondary.NothingLeft
        protect(told, fewest)

    monkeypatch.setattr(secondary, "protect", or_nothing)
    before = lakes.listing(again.path("open"))
    deliver(again.path("landing"), "ZP001", PERIOD, {"emis_patient": 140, "emis_observation": 140}, first_person=150)
    lakes.run(standard, again)
    assert publish.publish(standard, again)["release"] == 3
    assert lakes.listing(again.path("open")) == before
    manifest = json.loads(again.path("current", "release.json").read_text())
    assert manifest["release"] == 3 and manifest["open_kept_because"] == hold.NOTHING_LEFT
    assert status.summary(standard, again)["open_kept_because"] == hold.NOTHING_LEFT
    assert "open area kept as it was" in release.report(again).splitlines()[-1]


@pytest.mark.slow
def test_one_person_more_changes_nothing_that_is_open(released, tmp_path, monkeypatch):
    lake, standard = released
    shutil.copytree(lake.root, tmp_path / "lake", symlinks=True)
    again = Lake(tmp_path / "lake", lake.keys)
    lakes.hasten(monkeypatch, is_audited=False, is_proved=True)
    before = lakes.listing(again.path("open"))
    deliver(again.path("landing"), "ZP001", PERIOD, {"emis_patient": 101, "emis_observation": 101}, first_person=150)
    lakes.run(standard, again)
    assert publish.publish(standard, again)["release"] == 3
    assert lakes.listing(again.path("open")) == before
    people = "select count(*) from protected.person"
    counts = []
    for number in (2, 3):
        con, secret = duckdb.connect(), keys.load(again, "protected").hex()
        path = again.path("releases", number, "protected", "protected.duckdb")
        con.execute(f"attach '{path}' as protected (read_only, encryption_key '{secret}')")
        counts += con.execute(people).fetchall()
        con.close()
    assert counts[1][0] == counts[0][0] + 1
    # A further release is compared with what is open, and not with what was held back.
    deliver(again.path("landing"), "ZP001", PERIOD, {"emis_patient": 120, "emis_observation": 120}, first_person=150)
    lakes.run(standard, again)
    assert publish.publish(standard, again)["release"] == 4
    assert lakes.listing(again.path("open")) != before
    assert breaches(sheet(told_by_releases(again, standard), known(standard)), 5, sample=10) == {}


# What stands on pages: whoever reads them learns nothing that the tables do not tell.

# Cells of pages, and what they may say: shares and points of the open area's own tables, rounded as pages round them.
NUMBER_CELL = re.compile(r'<td class="n">(.*?)</td>', re.DOTALL)
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


def figures(text: str) -> set[str]:
    """Every figure in the number cells of a page."""
    inside = " ".join(
        re.sub(r'<span class="quiet small">.*?</span>|<[^>]+>', " ", cell) for cell in NUMBER_CELL.findall(text)
    )
    return {found.replace(",", "") for found in FIGURE.findall(inside)}


def told(folder) -> set[str]:
    """Every figure that the open area tells: of shown numbers, and how many rows its tables have."""
    found: set[str] = set()
    with duckdb.connect(str(folder / "open.duckdb"), read_only=True) as con:
        shares = con.execute(
            """select value from provider_measure where cell_status = 'shown' and value is not null"""
        ).fetchall()
        for (value,) in shares:
            found |= {f"{100 * value:.{places}f}" for places in (0, 1)} | {f"{value:.{places}f}" for places in (0, 1)}
        sent = con.execute("""
            select avg(share) from provider_measure where measure = 'coverage' and cell_status = 'shown' and share is not null
            group by period, place_kind, place""").fetchall()
        found |= {f"{100 * value:.{places}f}" for (value,) in sent for places in (0, 1)}
        for (table,) in con.execute("select table_name from duckdb_tables()").fetchall():
            found.add(str(con.execute(f'select count(*) from "{table}"').fetchone()[0]))
    return {figure.removesuffix(".0") for figure in found} | found


def check_pages(folder) -> int:
    """How many figures stand on the pages of a release; each stands in its open area."""
    n = 0
    for name in ("index.html", "providers.html"):
        on_page = figures((folder / "site" / name).read_text(encoding="utf-8"))
        assert on_page <= told(folder / "open"), on_page - told(folder / "open")
        n += len(on_page)
    return n


def test_every_figure_on_a_page_stands_in_the_open_area(released, tmp_path):
    lake, _ = released
    for folder in lake.path("releases").iterdir():
        assert check_pages(folder) > 5
    # And a page that tells one figure more is found.
    shutil.copytree(lake.path("current").resolve(), tmp_path / "release")
    page = tmp_path / "release" / "site" / "providers.html"
    page.write_text(
        page.read_text(encoding="utf-8").replace("</table>", '<td class="n">73.219</td></table>', 1), encoding="utf-8"
    )
    with pytest.raises(AssertionError, match=r"73\.219"):
        check_pages(tmp_path / "release")


def test_a_release_says_how_it_was_disclosed(released):
    lake, _ = released
    said = json.loads(lake.path("open", "disclosure.json").read_text())
    assert said["regime"]["fewest_values"] == 5 and said["solver"].startswith("HiGHS")
    assert said["earlier_releases"] == {"reckoned_with": [1], "unknown": []}
    with duckdb.connect(str(lake.path("open") / "open.duckdb"), read_only=True) as con:
        counted = {row["table"]: row["n_shown"] for row in said["tables"]}
        for table in ("coverage", "rule_score", "linkage_quality", "method_effect"):
            shown = con.execute(f"select count(*) from {table} where cell_status = 'shown'").fetchone()[0]
            assert shown == counted[table], table
    # Every margin of the tables that there are is one that numbers here add up to, or are equal along.
    idle = {(m["table"], m["along"], m["whole"], m["part"]) for m in said["margins"] if not m["n"]}
    assert idle - SOMETIMES == set(IDLE)


# Which sums nothing adds up to in this lake, and why; and where it depends on whom the keys join by a score.
SOMETIMES = {("linkage_quality", "equal", "numerator estimated_recall", "numerator estimated_precision")}
IDLE = {
    (
        "metric_value",
        "period",
        "*",
        "*",
    ): "all that happened did so in one month: its quarter and its year are the same number",
    (
        "provider_measure",
        "place",
        "provider_kind",
        "provider",
    ): "there is one acute trust, one practice: a kind is the provider",
    ("metric_value", "equal", "numerator cancer_staged", "denominator cancer_stage_1_or_2"): "no feed of cancers",
    ("coverage", "known", "denominator letters_readable", "known"): "no feed says who can read letters",
}


def test_of_a_cross_at_least_half_is_shown_or_it_is_left_out(released):
    lake, _ = released
    with duckdb.connect(str(lake.path("open") / "open.duckdb"), read_only=True) as con:
        crosses = con.execute("""
            select count(*) filter (cell_status = 'shown') as n, count(*) as n_of, bool_or(cell_status = 'left_out')
            from metric_value where breakdown like '% x %' group by metric, period, place_kind, place, breakdown""").fetchall()
    assert any(is_out for *_, is_out in crosses)
    assert all(n_of == 1 if is_out else 2 * n >= n_of for n, n_of, is_out in crosses)


def test_rates_are_published_no_finer_than_the_grain(released):
    lake, _ = released
    with duckdb.connect(str(lake.path("open") / "open.duckdb"), read_only=True) as con:
        found = con.execute("""
            select distinct breakdown, place_kind, p.grain from metric_value as v join period as p using (period)
            where breakdown not like '% x %'""").fetchall()
    assert not {
        row for row in found if row[0] == "ethnic_category" and (row[1] == "local_authority" or row[2] == "month")
    }
    assert not {row for row in found if row[1] == "local_authority" and row[2] in ("month", "quarter")}
    assert ("ethnic_group", "local_authority", "day") in found and (
        "ethnic_category",
        "icb_of_residence",
        "quarter",
    ) in found


def test_what_is_sensitive_is_hidden_more_strictly_and_never_none_or_all(released):
    lake, standard = released
    strict = [
        name for name in standard.characteristics() if standard.characteristic(name)["suppression"] == "sensitive"
    ]
    secret = keys.load(lake, "protected").hex()
    with duckdb.connect() as con:
        path = lake.path("current", "protected", "protected.duckdb")
        con.execute(f"attach '{path}' as protected (read_only, encryption_key '{secret}')")
        shown = con.execute("""
            select "table", category, numerator, denominator from protected.published_cell
            where metric in (select unnest(?)) and hidden_as is null""", [strict]).fetchall()  # fmt: skip
        hidden = con.execute(
            "select count(*) from protected.published_cell where hidden_as = 'none_or_all'"
        ).fetchone()[0]
    assert hidden and shown
    for table, category, n, d in shown:
        assert n == 0 or n >= 10, (table, category)
        assert category == "not_collected" or table == "rule_score" or d == 0 or 0 < n < d, (table, category)


def test_what_was_shown_is_not_hidden_beside_others_later(released):
    lake, _ = released
    secret = keys.load(lake, "protected").hex()
    with duckdb.connect() as con:
        for number in (1, 2):
            path = lake.path("releases", number, "protected", "protected.duckdb")
            con.execute(f"attach '{path}' as p{number} (read_only, encryption_key '{secret}')")
        where = '"table", metric, period, place_kind, place, breakdown, category, numerator, denominator'
        taken, kept = con.execute(f"""
            select count(*) filter (b.hidden_as in ('secondary', 'not_broken_down')), count(*) filter (b.hidden_as is null)
            from p1.published_cell as a join p2.published_cell as b using ({where})
            where a.hidden_as is null""").fetchone()
    assert kept and not taken
