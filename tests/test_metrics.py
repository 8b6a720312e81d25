"""metrics.py, cells.py, facts.py, periods.py: every metric of the catalogue, over an invented mart, counted again in plain Python."""

import random
from collections import defaultdict
from datetime import date, timedelta

import duckdb
import pytest

from transforms import cells, engine, measure, metrics
from transforms.engine import HERE, add_table
from transforms.metrics import AT_END, CROSS, EVENTS, NOT_COLLECTED, PEOPLE, RATE
from transforms.periods import periods
from transforms.sqlfolder import run_file
from transforms.standard import load

LATEST, END = "2026-09", date(2026, 9, 30)
AREAS = [
    ("E06000015", "QJ2", "QJ2", "E01013454"),
    ("E06000016", "QK1", "QK1", "E01013596"),
    ("E08000025", "QHL", "QUA", "E01008881"),
]
STATUSES = ["known", "not_stated", "not_known", "not_recorded", "unrecognised", "not_collected", "conflicting"]


def shift(day: date, months: int) -> date:
    """The same day so many months earlier, or the last of that month."""
    number = day.year * 12 + day.month - 1 - months
    first = date(number // 12, number % 12 + 1, 1)
    return min(date(first.year, first.month, min(day.day, 28)) + timedelta(days=day.day - min(day.day, 28)),
               (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))  # fmt: skip


# What each metric says, again and by hand. p: a person's facts; e: an event.
def in_year(day):
    return day is not None and day > shift(END, 12)


def known(name):
    return lambda p: p[name]["status"] == "known"


EXCLUDED = {"coronary_heart_disease", "stroke_or_tia", "heart_failure", "atrial_fibrillation", "chronic_kidney_disease",
            "hypertension", "diabetes"}  # fmt: skip
PERSON = {
    "interpreter_needed": (known("interpreter_required"), lambda p: p["interpreter_required"]["code"] == "required"),
    "language_known": (lambda p: p["main_language"]["status"] != "not_collected", known("main_language")),
    "letters_readable": (
        known("can_read_letters"),
        lambda p: p["can_read_letters"]["code"] == "can_read" or p["is_read_to"]["code"] == "read_to",
    ),
    "carers_identified": (
        lambda p: p["is_carer"]["status"] != "not_collected",
        lambda p: p["is_carer"]["code"] == "carer",
    ),
    "carers_confirmed": (lambda p: p["is_carer"]["code"] == "carer", lambda p: in_year(p["is_carer"]["recorded_on"])),
    "ethnicity_usable": (lambda p: p["ethnic_category"]["status"] != "not_collected", known("ethnic_category")),
    "ethnicity_answered": (
        lambda p: p["ethnic_category"]["status"] != "not_collected",
        lambda p: p["ethnic_category"]["status"] in ("known", "not_stated", "conflicting"),
    ),
    "ethnicity_over_general": (known("ethnic_category"), lambda p: p["ethnic_category"]["code"].startswith("group_")),
    "ethnicity_self_stated": (known("ethnic_category"), lambda p: p["ethnic_category"]["stated_by"] == "self"),
    "smoking_status_known": (
        lambda p: p["smoking_status"]["status"] != "not_collected" and p["age"] is not None and p["age"] >= 15,
        known("smoking_status"),
    ),
    "nhs_health_check_uptake": (
        lambda p: p["health_check"]["status"] != "not_collected"
        and p["age"] is not None and 40 <= p["age"] <= 74
        and not EXCLUDED & set(p["conditions"]),
        lambda p: p["checks"].get("nhs_health_check", date.min) > shift(END, 60),
    ),
    "hypertension_treated_to_target": (
        lambda p: "hypertension" in p["conditions"],
        lambda p: "last" in p and all(in_year(p["last"][k][0]) for k in ("systolic", "diastolic"))
        and p["last"]["systolic"][1] <= (150 if p["age"] is not None and p["age"] >= 80 else 140)
        and p["last"]["diastolic"][1] <= 90,
    ),
    "learning_disability_health_check": (
        lambda p: "learning_disability" in p["conditions"] and p["age"] is not None and p["age"] >= 14,
        lambda p: in_year(p["checks"].get("learning_disability_check")),
    ),
    "severe_mental_illness_health_check": (
        lambda p: "severe_mental_illness" in p["conditions"] and p["age"] is not None and p["age"] >= 18,
        lambda p: all(in_year(p["checks"].get(part)) for part in PARTS)
        and "last" in p and in_year(p["last"]["systolic"][0]) and in_year(p["smoking_status"]["recorded_on"]),
    ),
}  # fmt: skip
PARTS = ("body_mass_index_measured", "alcohol_asked", "cholesterol_measured", "blood_glucose_measured")
EVENT = {
    "outpatient_non_attendance": (
        lambda e: e["kind"] == "appointment" and e["outcome_code"] in ("3", "5", "6", "7"),
        lambda e: e["outcome_code"] in ("3", "7"),
    ),
    "outpatient_rate": (lambda e: e["kind"] == "appointment" and e["outcome_code"] in ("5", "6"), None),
    "admission_rate": (lambda e: e["kind"] == "admission", None),
    "emergency_attendance_rate": (lambda e: e["kind"] == "emergency_attendance", None),
    "emergency_frequent_attenders": (lambda e: e["kind"] == "emergency_attendance", 5),
    "waiting_over_18_weeks": (
        lambda e: e["kind"] == "waiting" and (e["ended_on"] is None or e["ended_on"] > END),
        lambda e: (END - e["event_date"]).days > 126,
    ),
    "cancer_28_day_faster_diagnosis": (
        lambda e: e["kind"] == "cancer_referral" and e["ended_on"] is not None,
        lambda e: (e["ended_on"] - e["event_date"]).days <= 28,
    ),
    "cancer_62_day_treatment": (
        lambda e: e["kind"] == "cancer_treatment" and e["ended_on"] is not None,
        lambda e: (e["ended_on"] - e["event_date"]).days <= 62,
    ),
    "cancer_stage_1_or_2": (
        lambda e: e["kind"] == "cancer_diagnosis" and (e["outcome_code"] or "?")[0] in "1234",
        lambda e: e["outcome_code"][0] in "12",
    ),
    "cancer_staged": (
        lambda e: e["kind"] == "cancer_diagnosis",
        lambda e: (e["outcome_code"] or "?")[0] in "1234",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def standard():
    return load()


def people(standard, n=700):
    """Invented people: where they live, how old they are, and one saying of each characteristic."""
    draw = random.Random(7)
    codes = defaultdict(list)
    for row in standard.codes:
        if row["kind"] in ("category", "residual", "group"):
            codes[row["system"]].append(row["code"])
    found = []
    for number in range(1, n + 1):
        placed = draw.random() < 0.93
        authority, lives_in, registered, area = draw.choice(AREAS)
        person = {"person_no": number, "local_authority": authority if placed else None, "lsoa": area if placed else None,
                  "icb_of_residence": lives_in if placed else draw.choice(["no_fixed_abode", "outside_midlands"]),
                  "icb_of_registration": registered if draw.random() < 0.9 else "not_known",
                  "region": "midlands" if placed else None,
                  "deprivation_quintile": str(draw.randint(1, 5)) if placed else "not_placed",
                  "birth_month": date(draw.randint(1930, 2020), draw.randint(1, 12), 1) if draw.random() < 0.97 else None}  # fmt: skip
        for name, system in standard.characteristics().items():
            status = "known" if draw.random() < 0.6 else draw.choice(STATUSES)
            person[name] = {"status": status, "code": draw.choice(codes[system]) if status == "known" else None,
                            "recorded_on": END - timedelta(days=draw.randint(0, 900)) if draw.random() < 0.95 else None,
                            "stated_by": draw.choice(["self", "inherited", "staff"])}  # fmt: skip
        person["conditions"] = {code: END - timedelta(days=draw.randint(0, 4000)) for code in codes["long_term_condition"]
                                if draw.random() < 0.12}  # fmt: skip
        person["checks"] = {code: END - timedelta(days=draw.randint(0, 3000)) for code in codes["health_check"]
                            if draw.random() < 0.5}  # fmt: skip
        if number % 6 == 0:  # six parts within a year are rare unless somebody comes for them
            lately = END - timedelta(days=number % 500)
            person["conditions"]["severe_mental_illness"] = lately
            person["checks"] |= dict.fromkeys(PARTS[: 1 + number // 6 % 5], lately)
            person["smoking_status"] |= {"recorded_on": lately}
        if draw.random() < 0.7:
            person["readings"] = [(name, END - timedelta(days=draw.randint(-20, 700)), float(draw.randint(low, low + 60)))
                                  for name, low in (("systolic", 105), ("diastolic", 55)) for _ in range(draw.randint(1, 3))]  # fmt: skip
            past = [one for one in person["readings"] if one[1] <= END]
            if {name for name, *_ in past} == {"systolic", "diastolic"}:  # the lowest of the last day
                person["last"] = {
                    name: max((on, -value) for n, on, value in past if n == name) for name in ("systolic", "diastolic")
                }
                person["last"] = {name: (on, -value) for name, (on, value) in person["last"].items()}
        born = person["birth_month"]
        person["age"] = None if born is None else END.year - born.year - (END.month < born.month)
        found.append(person)
    return found


def events(n=9000, of=700):
    draw = random.Random(8)
    kinds = ["appointment", "appointment", "appointment", "admission", "emergency_attendance", "emergency_attendance", "waiting",
             "cancer_referral", "cancer_treatment", "cancer_diagnosis", "gp_contact"]  # fmt: skip
    found = []
    for number in range(n):
        on = END - timedelta(days=draw.randint(-40, 900))
        found.append({"person_no": 1 + int(of * draw.random() ** 2), "record_key": number, "kind": draw.choice(kinds),
                      "provider": draw.choice(["ZZ1", "ZZ2", "ZZ3"]), "event_date": on,
                      "ended_on": on + timedelta(days=draw.randint(0, 150)) if draw.random() < 0.6 else None,
                      "outcome_code": draw.choice(["1", "2", "3", "4", "5", "6", "7", "1A", "X", None]),
                      "specialty_code": draw.choice(["100", "110", "300", None]), "site_code": None})  # fmt: skip
    return found


def breakdowns_of(standard, person) -> dict[str, str]:
    """What a person is in each breakdown, again and by hand."""
    ethnic = person["ethnic_category"]
    group = next((row["group"] for row in standard.classifications if row["system"] == "ethnic_category"
                  and row["classification"] == "heritage" and row["code"] == ethnic["code"] and row["group"]), None)  # fmt: skip
    bands = [row["band"] for row in standard.tables["age_bands"]
             if person["age"] is not None and int(row["from_age"]) <= person["age"] <= int(row["to_age"])]  # fmt: skip
    said = {name: person[field]["code"] or person[field]["status"] for name, field in
            (("sex", "sex"), ("language_need", "interpreter_required"), ("carer", "is_carer"))}  # fmt: skip
    return said | {"everyone": "everyone", "ethnic_group": group or ethnic["status"], "age_band": (bands or ["not_known"])[0],
                   "ethnic_category": ethnic["code"] or ethnic["status"],
                   "deprivation_quintile": person["deprivation_quintile"]}  # fmt: skip


@pytest.fixture(scope="module")
def everybody(standard):
    return people(standard)


@pytest.fixture(scope="module")
def happened():
    return events()


@pytest.fixture(scope="module")
def con(standard, everybody, happened):
    """The mart of these people and events, and every cell of it; as if every feed were there."""
    con = duckdb.connect()
    con.execute("set threads = 1")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    engine.add_standard(con, standard)
    con.execute("create schema protected; create schema measure; create schema linked")
    con.execute(f"""set variable ethnicity = 'ethnic_category'; set variable default_set = 'heritage'; set variable region = 'midlands';
        set variable latest_period = '{LATEST}'; set variable rolling_to = date '{END}';
        create table linked.in_force (layout varchar)""")
    add_table(con, "standard.period", periods(LATEST))
    measure.add_measures(con, standard)
    placed = [
        {"person_no": p["person_no"], "local_authority_code": p["local_authority"], "lsoa21_code": p["lsoa"], "has_died": False,
         "icb_of_residence": p["icb_of_residence"] if p["region"] else None, "place_status": p["icb_of_residence"],
         "icb_of_registration": None if p["icb_of_registration"] == "not_known" else p["icb_of_registration"],
         "deprivation_quintile": int(p["deprivation_quintile"]) if p["region"] else None, "birth_month": p["birth_month"]}
        for p in everybody
    ]  # fmt: skip
    add_table(con, "protected.person", placed)
    said = [{"person_no": p["person_no"], "characteristic": name, "detail": None, **p[name]} for p in everybody
            for name in standard.characteristics()]  # fmt: skip
    add_table(con, "protected.person_characteristic", said)
    many = [
        {"person_no": p["person_no"], "characteristic": name, "code": code, "first_recorded_on": on, "last_recorded_on": on}
        for p in everybody
        for name, listed in (("long_term_condition", p["conditions"]), ("health_check", p["checks"]))
        for code, on in listed.items()
    ]  # fmt: skip
    add_table(con, "protected.person_characteristic_value", many)
    readings = [
        {"person_no": p["person_no"], "kind": f"{name}_blood_pressure", "event_date": on, "value": value}
        for p in everybody
        for name, on, value in p.get("readings", [])
    ]
    add_table(con, "protected.activity", [{"value": None, **event} for event in happened] + readings)
    run_file(con, HERE / "measure" / "person_view.sql")
    con.execute("insert into linked.in_force select unnest(?)", [list(standard.layouts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "feeds", lambda standard, metric: {"ecds"} if metric.get("subject") else set())
        cells.fill_metric_cells(con, standard)
    return con


def expected(standard, everybody, happened, name) -> dict[tuple, tuple]:
    """(period, kind of place, place, breakdown, category) -> numerator, denominator, people in each, people not only in it."""
    metric = standard.metrics[name]
    who = {p["person_no"]: p | {"cut": breakdowns_of(standard, p)} for p in everybody}
    spans = list(periods(LATEST))
    series = standard.settings["publishing"]["series"]
    found: dict[tuple, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))

    def note(period, grain, person, n, of, event=None):
        for breakdown in metric["breakdowns"]:
            if grain in series and breakdown not in series[grain]:
                continue
            cut = (
                person["cut"] | {k: event[k] or "not_known" for k in ("provider", "specialty_code")}
                if event
                else person["cut"]
            )
            category = CROSS.join(cut[part] for part in breakdown.split(CROSS))
            for kind in metric["places"]:
                if person[kind] and (grain not in series or kind in ("region", "icb_of_residence")):
                    one = found[period, kind, person[kind], breakdown, category][person["person_no"]]
                    one[0] += n
                    one[1] += of

    if name in PERSON:
        fits, is_in = PERSON[name]
        for person in who.values():
            if fits(person):
                note(f"{END}", "day", person, int(bool(is_in(person))), 1)
        kind = PEOPLE
    else:
        fits, is_in = EVENT[name]
        kind = metric.get("counts", EVENTS)
        for row in spans:
            grain = row["grain"]
            if (grain == "day") != (metric["period"] == AT_END) or (
                grain in series and grain not in metric.get("series", [])
            ):
                continue
            dated = [(e, e[metric["date"]]) for e in happened if fits(e)]
            within = [e for e, day in dated if day is not None and day <= row["ends_on"]
                      and (grain == "day" or row["starts_on"] <= day)]  # fmt: skip
            if kind == PEOPLE:
                times = defaultdict(int)
                for event in within:
                    times[event["person_no"]] += 1
                for number, n in times.items():
                    note(row["period"], grain, who[number], int(n >= is_in), 1)
            elif kind == RATE:
                for person in who.values():
                    note(row["period"], grain, person, sum(e["person_no"] == person["person_no"] for e in within), 1)
            else:
                for event in within:
                    note(row["period"], grain, who[event["person_no"]], int(is_in(event)), 1, event)
    return {
        key: (
            sum(n for n, _ in seen.values()),
            sum(of for _, of in seen.values()),
            sum(n > 0 for n, _ in seen.values()),
            len(seen),
            sum(n == 0 if kind == RATE else of > n for n, of in seen.values()),
        )
        for key, seen in found.items()
    }


COMPUTED = sorted(PERSON | EVENT)


def test_every_metric_of_the_catalogue_is_counted_again_here(standard):
    computed = {name for name, metric in standard.metrics.items() if metric.get("status") != NOT_COLLECTED}
    assert computed == set(COMPUTED)


@pytest.mark.parametrize("name", COMPUTED)
def test_every_cell_is_what_plain_python_counts(con, standard, everybody, happened, name):
    query = """select period, place_kind, place, breakdown, category, numerator, denominator, n_people_numerator,
                      n_people_denominator, n_people_difference from measure.metric_cell where metric = ?"""
    rows = con.execute(query, [name]).fetchall()
    found = {row[:5]: row[5:] for row in rows}
    assert len(found) == len(rows), "a cell stands once"
    wanted = expected(standard, everybody, happened, name)
    assert len(wanted) > 20
    assert any(0 < n < of for n, of, *_ in wanted.values()), "a metric that is always nothing or all would prove little"
    wrong = {
        key: (found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    }
    assert not wrong, f"{len(wrong)} of {len(wanted)}: {sorted(wrong.items(), key=str)[:5]}"


@pytest.mark.parametrize("name", COMPUTED)
def test_small_areas_add_up_to_the_region_and_stand_in_no_open_cell(con, standard, name):
    query = """select period, sum(numerator), sum(denominator) from measure.{} where metric = ? {} group by all order by all"""
    region = "and place_kind = 'region' and breakdown = 'everyone' and period in (select period from standard.period where grain in ('year', 'day'))"
    assert (
        con.execute(query.format("small_area_cell", ""), [name]).fetchall()
        == con.execute(query.format("metric_cell", region), [name]).fetchall()
    )
    assert con.execute("select count(*) from measure.metric_cell where place_kind = 'lsoa21_code'").fetchone() == (0,)


def test_a_metric_without_a_feed_has_no_cell_and_says_not_collected(con, standard):
    con.execute("delete from linked.in_force where layout <> 'sus_outpatient'")
    cells.fill_metric_cells(con, standard)
    found = {row[0] for row in con.execute("select distinct metric from measure.metric_cell").fetchall()}
    told = {row["metric"]: row["status"] for row in metrics.described(con, standard)}
    assert found == {name for name, status in told.items() if status == "collected"}
    assert {"outpatient_non_attendance", "ethnicity_usable"} <= found  # the feed has a column of ethnicity too
    assert not found & {"admission_rate", "waiting_over_18_weeks", "screening_bowel", "letters_readable"}
    assert set(told) == set(standard.metrics)


def test_a_code_that_no_map_states_is_not_collected_and_one_row_makes_it_live(standard):
    row = next(r for r in standard.code_maps if r["code"] == "learning_disability_check")
    standard.code_maps.remove(row)
    try:
        assert metrics.feeds(standard, standard.metrics["learning_disability_health_check"]) == set()
        assert metrics.feeds(standard, standard.metrics["nhs_health_check_uptake"]) == {"emis_observation"}
    finally:
        standard.code_maps.append(row)
    assert metrics.feeds(standard, standard.metrics["learning_disability_health_check"]) == {"emis_observation"}


@pytest.mark.parametrize(("latest", "quarter", "year"), [("2026-09", "2026-07 to 2026-09", "2025-10 to 2026-09"),
                                                          ("2026-10", "2026-07 to 2026-09", "2025-11 to 2026-10"),
                                                          ("2026-02", "2025-10 to 2025-12", "2025-03 to 2026-02")])  # fmt: skip
def test_periods_are_whole_and_quarters_are_those_of_the_financial_year(latest, quarter, year):
    found = defaultdict(list)
    for row in periods(latest):
        found[row["grain"]].append(row)
    assert {grain: len(rows) for grain, rows in found.items()} == {"month": 24, "quarter": 8, "year": 2, "day": 1}
    assert max(row["period"] for row in found["quarter"]) == quarter
    assert max(row["period"] for row in found["year"]) == year
    assert found["day"][0]["starts_on"] == found["day"][0]["ends_on"] == max(row["ends_on"] for row in found["month"])
    assert all(row["starts_on"].month in (1, 4, 7, 10) for row in found["quarter"])
