"""Each metric, before disclosure control, is what plain Python finds in the truth of a small demonstration without faults."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests import lakes
from transforms import keys, publish
from transforms.demo_data import STANDARDS, demo_data
from transforms.geography import import_postcodes
from transforms.lake import Lake
from transforms.receive import receive
from transforms.standard import load
from transforms.work import pending, run_chunk

PROVIDERS = ("ZZ1", "ZZ3", "ZP001", "ZP010")
YEAR, DAY = "2025-11 to 2026-10", "2026-10-31"
PLACES = ("region", "icb_of_residence", "local_authority")
BREAKDOWNS = ("everyone", "deprivation_quintile", "age_band", "sex")


def faultless(folder: Path) -> Path:
    """A copy of standards/ in which nothing goes wrong, with few demo providers and two periods."""
    shutil.copytree(STANDARDS, folder)
    for name, change in (
        ("providers.csv", lambda row: row | {"starts_on": "2026-09-01"} if row["code"] in PROVIDERS else None),
        ("demo/faults.csv", lambda row: row | {"rate": "0" if row["rate"] else ""}),
    ):
        with open(folder / name, encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        with open(folder / name, "w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row in map(change, rows) if row)
    settings = folder / "demo" / "demo.yml"
    text = settings.read_text().replace("first_period: 2024-11", "first_period: 2026-09")
    text = text.replace(
        "attendances_per_patient_and_month: 0.02", "attendances_per_patient_and_month: 0.6"
    )  # some come often
    text = text.replace("share: 0.014", "share: 0.1").replace("patient_and_month: 0.008", "patient_and_month: 0.05")
    text = text.replace("  referrals_per_patient_and_month: 0.03", "  referrals_per_patient_and_month: 0.2")
    text = text[: text.index("deliveries:  ")] + "deliveries: []\n" + text[text.index("files:\n") :]
    settings.write_text(text)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The exact cells of a release, and the truth as data frames."""
    root = tmp_path_factory.mktemp("truth")
    lake, standard = Lake(root / "lake", root / "keys").prepare(), load()
    keys.initialise(lake)
    kept: dict[str, pd.DataFrame] = {}

    def keep(con, standard, schema=""):
        for name in ("measure.metric_cell", "open.metric", "open.metric_value", "protected.activity_kind"):
            kept[name.split(".")[1]] = con.execute(f"from {name}").df()
        days = "select person_no, kind, event_date::text as event_date from protected.activity where value is null"
        kept["events"] = con.execute(days).df()
        kept["people"] = con.execute("select count(*) as n from protected.person").df()
        return 0

    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        demo_data(lake.root, people=1500, standards=faultless(root / "standards"))
        import_postcodes(lake.path("demo", "postcodes.csv"), lake)
        receive(standard, lake)
        names = pending(standard, lake)
        for stage in ("ingest", "validate", "harmonise"):
            run_chunk(stage, names, standard, lake)
        patch.setattr("transforms.publish.audit", keep)
        publish.publish(standard, lake)
    truth = {path.stem: pd.read_parquet(path) for path in lake.path("demo", "truth").glob("*.parquet")}
    return SimpleNamespace(standard=standard, kept=kept, truth=truth, people=known_people(truth))


def known_people(truth: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Everybody of whom a provider holds a record, with where they truly live and what they truly are."""
    known = set(truth["record"]["person_no"]) - {0}
    people = truth["person"][truth["person"]["person_no"].isin(known)].copy()
    areas = pd.read_csv(STANDARDS / "geography" / "lsoa.csv", dtype=str).set_index("lsoa21_code")
    placed = people["icb_code"] != ""
    people["everyone"] = "everyone"
    people["region"] = placed.map({True: "midlands", False: None})
    people["icb_of_residence"] = people["icb_code"].where(placed, None)
    people["local_authority"] = people["lsoa21_code"].map(areas["local_authority_code"]).where(placed, None)
    people["deprivation_quintile"] = people["quintile"].astype(str).where(placed, "not_placed")
    people["sex"] = people["sex"].map({"1": "male", "2": "female"})
    born = pd.to_datetime(people["birth_date"])
    people["age"] = 2026 - born.dt.year - (born.dt.month > 10)  # on the last day of October
    people["age_band"] = pd.cut(people["age"], [-1, 17, 39, 64, 79, 200],
                                labels=["0 to 17", "18 to 39", "40 to 64", "65 to 79", "80 and over"]).astype(str)  # fmt: skip
    return people


def cells(made, metric: str, period: str) -> dict:
    """The exact cells of a metric that the truth can say: (kind of place, place, breakdown, category) -> numerator, denominator."""
    found = made.kept["metric_cell"]
    found = found[(found["metric"] == metric) & (found["period"] == period) & found["breakdown"].isin(BREAKDOWNS)
                  & found["place_kind"].isin(PLACES)]  # fmt: skip
    keys = found[["place_kind", "place", "breakdown", "category"]].itertuples(index=False, name=None)
    named = dict(zip(keys, zip(found["numerator"], found["denominator"], strict=True), strict=True))
    return {
        key: numbers for key, numbers in named.items() if key[1][:1] in "QEm"
    }  # who lives nowhere known has no place here


def truly(people: pd.DataFrame, counted: pd.DataFrame) -> dict:
    """The same of the truth. `counted`: person_no, n, of."""
    rows = people.merge(counted, on="person_no")
    found = {}
    for place in PLACES:
        for breakdown in BREAKDOWNS:
            sums = rows.groupby([place, breakdown])[["n", "of"]].sum()
            found |= {
                (place, where, breakdown, what): (n, of) for (where, what), n, of in sums.itertuples(name=None) if of
            }
    return found


def within_year(days: pd.Series) -> pd.Series:
    days = pd.to_datetime(days)
    return (days >= "2025-11-01") & (days <= "2026-10-31")


def rate(people: pd.DataFrame, person_no: pd.Series) -> pd.DataFrame:
    """How many events each of all people had."""
    times = person_no.value_counts()
    return pd.DataFrame(
        {"person_no": people["person_no"], "n": people["person_no"].map(times).fillna(0).astype(int), "of": 1}
    )


def events_of(made, kind: str) -> pd.DataFrame:
    found = made.truth["event"]
    return found[(found["kind"] == kind) & within_year(found["happened_on"])]


def test_everybody_whom_a_provider_knows_is_in_the_mart_once(made):
    assert made.kept["people"]["n"].tolist() == [len(made.people)]


def test_appointments_not_attended(made):
    found = made.truth["appointment"]
    found = found[within_year(found["appointment_date"]) & found["attendance_code"].isin(["3", "5", "6", "7"])]
    counted = pd.DataFrame(
        {"person_no": found["person_no"], "n": found["attendance_code"].isin(["3", "7"]).astype(int), "of": 1}
    )
    assert cells(made, "outpatient_non_attendance", YEAR) == truly(made.people, counted)
    assert len(found) > 200


def test_appointments_attended(made):
    found = made.truth["appointment"]
    came = found[within_year(found["appointment_date"]) & found["attendance_code"].isin(["5", "6"])]["person_no"]
    assert cells(made, "outpatient_rate", YEAR) == truly(made.people, rate(made.people, came))


@pytest.mark.parametrize(
    ("metric", "kind"), [("admission_rate", "admission"), ("emergency_attendance_rate", "emergency_attendance")]
)
def test_stays_and_emergency_attendances(made, metric, kind):
    who = events_of(made, kind)["person_no"]
    assert len(who) > 5
    assert cells(made, metric, YEAR) == truly(made.people, rate(made.people, who))


@pytest.mark.parametrize("metric", ["admission_rate", "emergency_attendance_rate"])
def test_of_a_year_before_the_feed_began_no_rate_of_nothing_is_told(made, metric):
    """Stays and emergencies begin in 2026: of the year before nobody sent anything, which is not that nothing happened."""
    assert len(events_of(made, "admission")) and len(events_of(made, "emergency_attendance"))
    found = made.kept["metric_cell"].query("metric == @metric")
    assert set(found["period"]) == {YEAR}


def test_who_came_to_an_emergency_department_five_times(made):
    times = events_of(made, "emergency_attendance")["person_no"].value_counts()
    counted = pd.DataFrame({"person_no": times.index, "n": (times.to_numpy() >= 5).astype(int), "of": 1})
    assert 0 < counted["n"].sum() < len(counted)
    assert cells(made, "emergency_frequent_attenders", YEAR) == truly(made.people, counted)


def coded(made, system: str) -> pd.DataFrame:
    """What practices coded: person_no, happened_on, and the code of ours that the concept states."""
    with open(STANDARDS / "code_systems" / system / "from_snomed_ct.csv", encoding="utf-8") as handle:
        says = {row["value"]: row["code"] for row in csv.DictReader(handle) if row["code"]}
    entries = made.truth["entry"]
    return entries.assign(says=entries["code"].map(says)).dropna(subset="says")


def of_practices(made) -> pd.Series:
    """Whether each person is somebody of whom a practice sends coded entries."""
    record = made.truth["record"]
    return made.people["person_no"].isin(set(record[record["provider"].str.startswith("ZP")]["person_no"]))


def test_smoking_status_known(made):
    of = of_practices(made) & (made.people["age"] >= 15)
    n = of & made.people["person_no"].isin(coded(made, "smoking_status")["person_no"])
    counted = made.people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "smoking_status_known", DAY) == truly(made.people, counted)
    assert 100 < n.sum() < of.sum()


def test_nhs_health_checks_done(made):
    excluding = ["coronary_heart_disease", "stroke_or_tia", "heart_failure", "atrial_fibrillation", "chronic_kidney_disease",
                 "hypertension", "diabetes"]  # fmt: skip
    conditions = coded(made, "long_term_condition")
    ill = conditions[conditions["says"].isin(excluding)]["person_no"]
    checks = coded(made, "health_check").query("says == 'nhs_health_check'")
    recent = checks[pd.to_datetime(checks["happened_on"]) > "2021-10-31"]["person_no"]
    of = of_practices(made) & made.people["age"].between(40, 74) & ~made.people["person_no"].isin(ill)
    n = of & made.people["person_no"].isin(recent)
    counted = made.people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "nhs_health_check_uptake", DAY) == truly(made.people, counted)
    assert 20 < n.sum() < of.sum()
    assert made.people["person_no"].isin(ill).sum() > 50


def register(made, condition: str, age: int) -> pd.Series:
    """Whether each person is on a register and of an age."""
    coded_people = coded(made, "long_term_condition").query("says == @condition")["person_no"]
    return made.people["person_no"].isin(coded_people) & (made.people["age"] >= age)


def test_health_checks_for_a_learning_disability(made):
    entries = made.truth["entry"]
    checked = entries[(entries["code"] == "69DB.") & within_year(entries["happened_on"])]["person_no"]
    of = register(made, "learning_disability", 14)
    n = of & made.people["person_no"].isin(checked)
    counted = made.people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "learning_disability_health_check", DAY) == truly(made.people, counted)
    assert 10 < n.sum() < of.sum()


def test_all_six_parts_of_the_health_check_for_a_severe_mental_illness(made):
    """The concepts of each part are named here once more; of smoking the last entry counts."""
    entries, of = made.truth["entry"], register(made, "severe_mental_illness", 18)
    says = coded(made, "health_check")
    parts = [
        says[says["says"] == name]
        for name in ("body_mass_index_measured", "alcohol_asked", "cholesterol_measured", "blood_glucose_measured")
    ]
    parts += [entries[entries["code"] == "271649006"], coded(made, "smoking_status")]
    done = [made.people["person_no"].isin(part[within_year(part["happened_on"])]["person_no"]) for part in parts]
    n = of & pd.concat(done, axis=1).all(axis=1)
    counted = made.people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "severe_mental_illness_health_check", DAY) == truly(made.people, counted)
    assert 10 < n.sum() < of.sum()
    assert (of & done[0]).sum() > n.sum()  # some had a part of it


def pathways_of(made, kind: str) -> pd.DataFrame:
    found = made.truth["pathway"]
    return found[found["kind"] == kind]


def shares(found: pd.DataFrame, is_so: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"person_no": found["person_no"], "n": is_so.astype(int), "of": 1})


def test_who_waits_for_more_than_18_weeks(made):
    found = pathways_of(made, "waiting")
    found = found[found["ended_on"].isna()]
    weeks = (pd.Timestamp(DAY) - pd.to_datetime(found["happened_on"])).dt.days / 7
    assert cells(made, "waiting_over_18_weeks", DAY) == truly(made.people, shares(found, weeks > 18))
    assert 10 < (weeks > 18).sum() < len(found)


def test_who_was_told_within_28_days_and_treated_within_62(made):
    for metric, kind, days in (
        ("cancer_28_day_faster_diagnosis", "cancer_referral", 28),
        ("cancer_62_day_treatment", "cancer_treatment", 62),
    ):
        found = pathways_of(made, kind)
        found = found[within_year(found["ended_on"])]  # counted when it ended: who still waits has not been told
        waited = (pd.to_datetime(found["ended_on"]) - pd.to_datetime(found["happened_on"])).dt.days
        assert cells(made, metric, YEAR) == truly(made.people, shares(found, waited <= days)), metric
        assert 5 < (waited <= days).sum() < len(found), metric


def test_cancers_found_at_stage_1_or_2_and_those_staged(made):
    found = pathways_of(made, "cancer_diagnosis")
    found = found[within_year(found["happened_on"])]
    staged = found["outcome"].str[:1].isin(["1", "2", "3", "4"])
    assert cells(made, "cancer_staged", YEAR) == truly(made.people, shares(found, staged))
    early = found[staged]["outcome"].str[:1].isin(["1", "2"])
    assert cells(made, "cancer_stage_1_or_2", YEAR) == truly(made.people, shares(found[staged], early))
    assert 5 < early.sum() < staged.sum() < len(found)


@pytest.mark.parametrize("kind", ["gp_contact", "referral"])
def test_contacts_and_referrals_are_events_of_people(made, kind):
    """No metric counts them yet. The mart numbers people in its own way: how many people have how many events on which days."""
    found = made.truth["event"]
    found = found[found["kind"] == kind].assign(happened_on=lambda rows: rows["happened_on"].astype(str))
    truly_had = sorted(map(sorted, found.groupby("person_no")["happened_on"].agg(list)))
    held = made.kept["events"].query("kind == @kind")
    assert sorted(map(sorted, held.groupby("person_no")["event_date"].agg(list))) == truly_had
    assert len(truly_had) > 5


def test_high_blood_pressure_treated_to_target(made):
    """Of the readings of somebody's last day the lowest; from 80 years the target is another."""
    entries, people = made.truth["entry"], made.people
    conditions = coded(made, "long_term_condition")
    of = people["person_no"].isin(conditions[conditions["says"] == "hypertension"]["person_no"])
    last = {}
    for name, code in (("high", "271649006"), ("low", "271650006")):
        read = entries[entries["code"] == code].assign(value=lambda rows: rows["value"].astype(int))
        read = read.sort_values(["happened_on", "value"], ascending=[False, True]).drop_duplicates("person_no")
        read = read[within_year(read["happened_on"])].set_index("person_no")["value"]
        last[name] = people["person_no"].map(read)
    n = of & (last["high"] <= people["age"].map(lambda age: 150 if age >= 80 else 140)) & (last["low"] <= 90)
    counted = people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "hypertension_treated_to_target", DAY) == truly(people, counted)
    assert 0 < n.sum() < of.sum()


def in_an_index(made) -> pd.Series:
    record = made.truth["record"]
    return made.people["person_no"].isin(record[record["layout"] == "pas_patient"]["person_no"])


def test_language_known(made):
    """A trust's index knows the language of everybody in it; of others only what a practice coded is known."""
    known = in_an_index(made) | made.people["person_no"].isin(coded(made, "language")["person_no"])
    counted = made.people[["person_no"]].assign(n=known.astype(int), of=1)
    assert cells(made, "language_known", DAY) == truly(made.people, counted)
    assert 0 < known.sum() < len(known)


def test_interpreter_needed(made):
    coded_need = made.people["person_no"].isin(
        coded(made, "interpreter_required").query("says == 'required'")["person_no"]
    )
    of = in_an_index(made) | coded_need
    n = of & (made.people["interpreter_required"] == "required")
    counted = made.people[["person_no"]].assign(n=n.astype(int), of=of.astype(int))
    assert cells(made, "interpreter_needed", DAY) == truly(made.people, counted)
    assert 0 < n.sum() < of.sum()


def test_ethnicity_usable(made):
    """Without faults every record of a trust or a practice gives it."""
    counted = made.people[["person_no"]].assign(n=1, of=1)
    assert cells(made, "ethnicity_usable", DAY) == truly(made.people, counted)


def test_what_no_provider_sends_is_not_collected_and_has_no_number(made):
    told = made.kept["metric"].set_index("metric")["status"]
    absent = set(told[told == "not_collected"].index)
    assert {
        "letters_readable",
        "screening_bowel",
        "children_asthma",
        "maternity_booking_by_10_weeks",
        "copd_care",
    } <= absent
    assert not absent & (set(made.kept["metric_cell"]["metric"]) | set(made.kept["metric_value"]["metric"]))
    assert set(told[told == "collected"].index) <= set(made.kept["metric_cell"]["metric"])
    assert set(told.index) == set(made.standard.metrics)
    kinds = made.kept["activity_kind"].set_index("kind")
    assert kinds.loc["access_event", "status"] == "not_collected"
    assert (kinds.drop("access_event")["status"] == "collected").all() and (
        kinds.drop("access_event")["n_events"] > 0
    ).all()
