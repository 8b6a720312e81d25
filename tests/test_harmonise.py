"""harmonise.py, harmonised/*.sql: it only translates. One row in is one counted out, and nothing is guessed."""

from collections import Counter
from pathlib import Path

import pytest

from tests import lakes
from tests.lakes import PERIOD, Made, ask
from tests.pictures import picture, rows, table
from tests.synthetic import deliver
from transforms import keys, resolve, work
from transforms.lake import Lake
from transforms.standard import load

# What the value that a fault leaves in the ethnic category means: status and reason.
MEANS = {
    "blank": ("not_recorded", "blank"),
    "lone_9": ("not_known", "withdrawn_2004"),
    "not_known": ("not_known", "not_known"),
    "not_stated": ("not_stated", "not_stated"),
    "unrecognised": ("unrecognised", "not_in_map"),
    "word": ("unrecognised", "not_in_map"),
}
OF = f"period = '{PERIOD}' and provider"


@pytest.fixture(scope="module")
def small() -> Made:
    return lakes.small()


@pytest.fixture
def lake(tmp_path: Path, monkeypatch) -> Lake:
    lakes.hasten(monkeypatch)
    return lakes.new_lake(tmp_path)


def sent(
    lake: Lake, layout: str, text: str, provider: str = "ZZ1", period: str = PERIOD, name: str = "delivery"
) -> None:
    """Deliver the rows of a picture: a header with the layout's columns, then a line each."""
    cells = [{name: cell or "" for name, cell in row.items()} for row in rows(text)]

    def edit(_layout: str, made: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row | picked for row, picked in zip(made, cells, strict=True)]

    deliver(lake.path("landing"), provider, period, {layout: len(cells)}, name=name, edit=edit)
    lakes.run(load(), lake)


def test_each_record_is_counted_once_for_each_characteristic_its_layout_collects(small):
    found = ask(
        small, "select provider, layout, characteristic, sum(n_records) from harmonised.characteristic group by all"
    )
    n_records = {
        (provider, layout): n
        for provider, layout, n in ask(
            small, "select provider, layout, sum(n_records) from harmonised.patient group by all"
        )
    }
    assert {(p, lay) for p, lay, *_ in found} >= {
        ("ZZ1", "pas_patient"),
        ("ZZ2", "sus_outpatient"),
        ("ZP001", "emis_patient"),
    }
    for provider, layout, characteristic, n in found:
        if layout != "emis_observation":  # a code states one thing or nothing
            assert n == n_records[provider, layout], (provider, layout, characteristic)


def test_as_many_records_come_out_as_were_validated(small):
    assert ask(small, "select sum(n_records) from harmonised.patient") == [(577,)]
    assert small.counts["validate"]["records"] == 577
    assert ask(small, "select count(*) from harmonised.activity") == ask(
        small, "select count(*) from validated.appointment"
    )


def test_every_value_has_the_status_and_reason_of_its_fault(small):
    delivery = small.sent["index"]
    wanted = Counter()
    for line in range(1, 201):
        faults = [fault.fault for fault in delivery.faults if fault.line == line and fault.column == "ETHNIC_CATEGORY"]
        wanted[MEANS[faults[0]] if faults and faults[0] in MEANS else ("known", None)] += 1
    query = f"""select status, case when status <> 'known' then reason end, sum(n_records) from harmonised.characteristic
                where {OF} = 'ZZ1' and characteristic = 'ethnic_category' group by all"""
    assert {(status, reason): n for status, reason, n in ask(small, query)} == wanted


def test_the_truth_comes_out_for_everybody_whose_record_is_sound_or_only_badly_typed(small):
    """Lower case, trailing spaces and local second characters lose nobody."""
    delivery = small.sent["index"]
    spoiled = {fault.line for fault in delivery.faults if fault.fault in MEANS or fault.fault == "duplicate_key"}
    query = f"select first_line, code from harmonised.characteristic where {OF} = 'ZZ1' and characteristic = 'ethnic_category'"
    codes = dict(ask(small, query))
    for line, person in enumerate(delivery.people["pas_patient"], start=1):
        if line not in spoiled:
            assert codes[line] == person.ethnic_category, line


def test_what_the_source_said_stays(small):
    query = f"select first_line, source_value from harmonised.characteristic where {OF} = 'ZZ1' and characteristic = 'ethnic_category'"
    for line, value in ask(small, query):
        assert value == (small.sent["index"].rows["pas_patient"][line - 1]["ETHNIC_CATEGORY"].strip() or None)


def test_a_local_list_adds_a_detail_and_only_where_the_provider_has_it(small):
    query = f"""select first_line, source_value, vocabulary, code, detail, status from harmonised.characteristic
                where {OF} = 'ZZ3' and characteristic = 'ethnic_category' and first_line <= 8 order by 1"""
    assert table(ask(small, query)) == picture("""
        1 | PA      | ukcore_2001   | any_other_p | somali        | known
        2 | pd      | ukcore_2001   | any_other_p | black_british | known
        3 | A9      | national_2001 | british     |               | known
        4 | X7      | national_2001 |             |               | unrecognised
        5 | 9       | national_2001 |             |               | not_known
        6 | 99      | national_2001 |             |               | not_known
        7 | British | national_2001 |             |               | unrecognised
        8 | Z       | national_2001 |             |               | not_stated
    """)


def test_the_date_is_the_recorded_one_then_the_events_then_the_periods_end(lake):
    sent(lake, "pas_patient", """
        PATIENT_ID | ETHNIC_CATEGORY | ETHNIC_CATEGORY_DATE
        1          | A               | 03/02/2020
        2          | B               |
        3          | H               | 31/31/2020
    """)  # fmt: skip
    sent(lake, "sus_outpatient", """
        ATTENDKEY | ETHNOS | APPTDATE
        a         | M      | 2026-09-05
    """, provider="ZZ2")  # fmt: skip
    query = """select source_value, recorded_on, recorded_on_basis from harmonised.characteristic
               where characteristic = 'ethnic_category' order by 1"""
    assert table(ask((load(), lake), query)) == picture("""
        A | 2020-02-03 | recorded
        B | 2026-09-30 | period
        H | 2026-09-30 | period
        M | 2026-09-05 | event
    """)


def test_equal_sayings_about_one_person_are_counted_and_different_ones_stand_side_by_side(lake):
    sent(lake, "sus_outpatient", """
        ATTENDKEY | LOPATID | NEWNHSNO   | DOB        | SEX | HOMEADD | GPPRAC | ETHNOS | APPTDATE
        a         | 7       | 9434765919 | 1980-01-02 | 1   | ZX1 1AA | ZP001  | A      | 2026-09-05
        b         | 7       | 9434765919 | 1980-01-02 | 1   | ZX1 1AA | ZP001  | A      | 2026-09-05
        c         | 7       | 9434765919 | 1980-01-02 | 1   | ZX1 1AA | ZP001  | a      | 2026-09-05
        d         | 7       | 9434765919 | 1980-01-02 | 1   | ZX1 1AA | ZP001  | J      | 2026-09-06
        e         | 7       | 9434765919 | 1980-01-03 | 1   | ZX1 1AA | ZP001  | A      | 2026-09-05
    """)  # fmt: skip
    made = (load(), lake)
    assert table(ask(made, "select patient_no, birth_date, n_records from harmonised.patient order by 1")) == picture("""
        1 | 1980-01-02 | 4
        5 | 1980-01-03 | 1
    """)
    query = """select patient_no, source_value, code, recorded_on, n_records, first_line from harmonised.characteristic
               where characteristic = 'ethnic_category' order by first_line"""
    assert table(ask(made, query)) == picture("""
        1 | A | british   | 2026-09-05 | 2 | 1
        1 | a | british   | 2026-09-05 | 1 | 3
        1 | J | pakistani | 2026-09-06 | 1 | 4
        5 | A | british   | 2026-09-05 | 1 | 5
    """)
    assert ask(made, "select count(distinct record_key) from harmonised.patient") == [(1,)]  # one local id, one key
    assert ask(made, "select patient_no, count(*) from harmonised.activity group by all order by 1") == [(1, 4), (5, 1)]


def test_records_without_a_local_id_and_a_number_are_their_own(lake):
    sent(lake, "sus_outpatient", """
        ATTENDKEY | LOPATID | NEWNHSNO | DOB        | SEX | HOMEADD | GPPRAC | ETHNOS | APPTDATE
        a         |         |          | 1980-01-02 | 1   |         |        | A      | 2026-09-05
        b         |         |          | 1980-01-02 | 1   |         |        | A      | 2026-09-05
    """)  # fmt: skip
    made = (load(), lake)
    assert ask(made, "select count(*), count(distinct record_key), bool_or(is_key_stable) from harmonised.patient") == [
        (2, 2, False)
    ]
    assert ask(
        made, "select sum(n_records), count(*) from harmonised.characteristic where characteristic = 'ethnic_category'"
    ) == [(2, 2)]


def test_a_record_key_is_stable_across_deliveries_and_periods_and_differs_between_providers(lake):
    row = """
        PATIENT_ID | GIVEN_NAME
        X1         | {}
    """
    sent(lake, "pas_patient", row.format("Amina"), period="2026-08")
    sent(lake, "pas_patient", row.format("Amina B"))
    sent(lake, "pas_patient", row.format("Amina"), provider="ZZ2")
    sent(lake, "pas_patient", row.format("Amina Begum"), name="correction")
    found = ask(
        (load(), lake),
        "select provider, count(distinct record_key), bool_and(is_key_stable) from harmonised.patient group by 1",
    )
    assert sorted(found) == [("ZZ1", 1, True), ("ZZ2", 1, True)]
    assert ask((load(), lake), "select count(distinct record_key) from harmonised.patient") == [(2,)]


def test_a_patient_has_one_key_whichever_layout_names_them(lake):
    deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 5, "emis_observation": 5})
    lakes.run(load(), lake)
    found = ask(
        (load(), lake), "select layout, list(record_key order by record_key) from harmonised.patient group by all"
    )
    keys = dict(found)
    assert set(keys["emis_observation"]) <= set(keys["emis_patient"])


def test_dated_codes_state_what_they_state_and_the_rest_states_nothing(small):
    query = """select characteristic, status, sum(n_records) from harmonised.characteristic
               where layout = 'emis_observation' group by all order by all"""
    found = {(characteristic, status): n for characteristic, status, n in ask(small, query)}
    assert all(status == "known" for _, status in found)
    assert sum(found.values()) < len(small.sent["practice"].rows["emis_observation"])
    assert set(
        ask(small, "select distinct recorded_on_basis from harmonised.characteristic where layout = 'emis_observation'")
    ) == {("recorded",) if load().layouts["emis_observation"].fields["code"].get("recorded_on") else ("event",)}


def test_left_out_records_are_marked_and_not_dropped(small):
    faults = small.sent["index"]
    query = """select exclusion, list(patient_no order by patient_no) from harmonised.patient
               where layout = 'pas_patient' and exclusion is not null group by 1"""
    assert dict(ask(small, query)) == {
        "test record": faults.lines("test_record"),
        "withheld": faults.lines("confidential"),
    }


def test_a_practice_is_the_practice_of_its_patients(small):
    assert ask(small, "select distinct gp_practice_code from harmonised.patient where layout = 'emis_patient'") == [
        ("ZP001",)
    ]


def test_numbers_and_postcodes_are_cleaned_and_names_kept_as_they_are(small):
    lines = tuple(small.sent["index"].lines("spaced_nhs_number"))
    people = small.sent["index"].people["pas_patient"]
    found = ask(
        small,
        f"select patient_no, nhs_number, postcode, family_name from harmonised.patient where {OF} = 'ZZ1' and patient_no in {lines}",
    )
    assert sorted(found) == [
        (line, people[line - 1].nhs_number, people[line - 1].postcode.replace(" ", ""), people[line - 1].family_name)
        for line in lines
    ]


def test_a_name_that_windows_1252_wrote_arrives_whole(lake):
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 3}, {"cp1252": True})
    lakes.run(load(), lake)
    assert ask((load(), lake), "select count(*) from harmonised.patient where family_name = 'Zoë'") == [(1,)]


def test_a_layout_that_is_not_there_leaves_typed_empty_tables(lake):
    made = (load(), lake)
    for name in (
        "harmonised.patient",
        "harmonised.characteristic",
        "harmonised.activity",
        "validated.appointment",
        "results.issue",
    ):
        assert ask(made, f"select count(*) from {name}") == [(0,)]


def test_every_harmonised_patient_is_found_from_its_facts_and_events(small):
    for name in ("characteristic", "activity"):
        query = f"""select count(*) from harmonised.{name} as f anti join harmonised.patient as p
                    using (submission_no, layout, patient_no)"""
        assert ask(small, query) == [(0,)]
    several = (
        "select submission_no from harmonised.patient group by submission_no, layout, patient_no having count(*) > 1"
    )
    assert ask(small, several) == []


def test_running_it_again_writes_the_same(lake):
    standard = load()
    deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 10, "sus_outpatient": 10})
    lakes.run(standard, lake)
    before = lakes.content(lake, "harmonised")
    for path in lake.path("harmonised").rglob("*.parquet"):
        path.unlink()
    assert work.pending(standard, lake) == [f"ZZ1/{PERIOD}"]
    lakes.run(standard, lake)
    assert lakes.content(lake, "harmonised") == before


def test_words_that_are_looked_up_and_words_that_are_joined_mean_the_same(tmp_path, monkeypatch):
    lakes.hasten(monkeypatch)
    kept = {}
    for few in (resolve.FEW, 0):  # none are few: all are joined
        monkeypatch.setattr(resolve, "FEW", few)
        made = Lake(tmp_path / str(few) / "lake", tmp_path / "keys").prepare()
        keys.initialise(made)
        deliver(made.path("landing"), "ZZ1", PERIOD, {"pas_patient": 200}, lakes.PATIENT_FAULTS)
        practice = {"emis_patient": 30, "emis_observation": 40}
        deliver(made.path("landing"), "ZP001", PERIOD, practice, {"unrecognised": 4})
        lakes.run(load(), made)
        kept[few] = lakes.content(made, "validated", "results", "harmonised")
    looked_up, joined = kept.values()
    assert looked_up == joined
    assert sum(map(len, joined.values())) > 500


def test_the_day_on_which_a_language_is_to_be_asked_again_goes_with_it_and_with_nothing_else(lake):
    """staleness.csv names the field; a layout that has it not leaves it blank."""
    sent(lake, "small_csv", "Ask again about language on\n01/06/2027\n\n", provider="ZV01")
    query = """select characteristic, review_on::text from harmonised.characteristic
               where review_on is not null order by 1"""
    found = ask((load(), lake), query)
    assert found == [("interpreter_required", "2027-06-01"), ("main_language", "2027-06-01")]
