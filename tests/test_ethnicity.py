"""standards/code_systems/ethnic_category -> nothing: what must hold on every row of it, read from the files.

The public lists that the maps were built from are not needed: each row names its sources, the letter that each source
gives in brackets, and the people whom it was recorded of.
"""

import re
from collections import defaultdict
from datetime import date
from itertools import pairwise

import pytest

from tests.code_files import SYSTEMS, table

FOLDER = SYSTEMS / "ethnic_category"
ABSENCES = ("not_stated", "not_known", "not_recorded", "unrecognised")
TABLE_HEADINGS = ("all", "All pupils", "BAME", "BME", "White total", "Other than White British", "non-white")


def rows(name: str) -> list[dict[str, str]]:
    return table(FOLDER.name, name)


def index(name: str, key: str = "value") -> dict[str, dict[str, str]]:
    return {row[key]: row for row in rows(name)}


VOCABULARIES = sorted(path.stem.removeprefix("from_") for path in FOLDER.glob("from_*.csv"))
CODES = index("codes", "code")
TEXT = {row["value"].upper(): row for row in rows("from_ethnicity_text")}


def slug(row: dict[str, str]) -> str:
    return row["reason"].split(":")[0]


def meaning(row: dict[str, str]) -> tuple[str, str]:
    return row["code"], row["status"]


def said(text: str) -> tuple[str, str, str, str]:
    row = TEXT[text.upper()]
    return row["code"], row["detail"], row["status"], slug(row)


def letter_of(source: str, row: dict[str, str]) -> str | None:
    """The letter that one of a row's sources gives: `GDPPR Ethnic Category reference data (S); NCL ...` -> S."""
    found = re.search(rf"{source}[^;(]*\(([A-Z])\)", row["source"])
    return found[1] if found else None


def differences_from_gdppr() -> dict[str, tuple[str, dict[str, str]]]:
    """Each concept that GDPPR's letter would place elsewhere: concept -> letter, row."""
    gdppr = index("from_gdppr")
    letters = {row["value"]: (letter_of("GDPPR", row), row) for row in rows("from_snomed_ct")}
    return {
        value: (letter, row)
        for value, (letter, row) in letters.items()
        if letter and meaning(row) != meaning(gdppr[letter])
    }


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_row_says_what_it_means_from_where_and_why(vocabulary):
    details = {row["detail"] for row in rows("details")}
    for row in rows(f"from_{vocabulary}"):
        assert row["value"] and row["term"] and row["source"], row
        assert (row["status"] == "known") == bool(row["code"]) == (row["relation"] != "none"), row
        assert not row["code"] or CODES[row["code"]]["kind"] != "absence", row
        assert row["status"] in ("known", *ABSENCES), row
        assert row["relation"] in ("exact", "broad", "narrow", "none"), row
        assert row["reason"] or row["relation"] == "exact", row
        assert not row["detail"] or row["detail"] in details, row
        assert re.fullmatch(r"([a-z][a-z0-9_]*(: .+)?)?", row["reason"]), row


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_no_map_can_multiply_rows(vocabulary):
    is_case_sensitive = vocabulary in ("snomed_ct", "emis", "tpp", "vision")
    seen = defaultdict(list)
    for row in rows(f"from_{vocabulary}"):
        value = row["value"] if is_case_sensitive else row["value"].upper()
        seen[value].append((row.get("valid_from") or "0001-01-01", row.get("valid_to") or "9999-12-31"))
    for value, spans in seen.items():
        spans.sort()
        for (_, until), (since, _) in pairwise(spans):
            assert date.fromisoformat(until) < date.fromisoformat(since), value


@pytest.mark.parametrize("vocabulary", ["national_2001", "ukcore_2001", "ukcore"])
@pytest.mark.parametrize("classification", ["national_2001", "ukcore"])
def test_the_national_first_character_out_is_the_one_in(vocabulary, classification):
    out = index(f"to_{classification}", "code")
    for row in rows(f"from_{vocabulary}"):
        if row["status"] == "known":
            assert out[row["code"]]["value"] == row["value"][0], row
        if row["relation"] == "exact" and len(row["value"]) == 1:
            assert out[row["code"]]["value"] == row["value"], row


@pytest.mark.parametrize("vocabulary", ["national_2001", "ukcore"])
def test_refused_and_unknown_round_trip(vocabulary):
    came, out = index(f"from_{vocabulary}"), index(f"to_{vocabulary}", "code")
    for value, status in (("Z", "not_stated"), ("99", "not_known")):
        assert (came[value]["code"], came[value]["status"]) == ("", status)
        assert out[status]["value"] == value


def test_the_whole_uk_core_list_is_there_and_agrees_with_the_local_list():
    whole, local = index("from_ukcore"), index("from_ukcore_2001")
    assert len(whole) == 69 and {"99", "Z", *"ABCDEFGHJKLMNPRS"} <= set(whole)
    for value, row in local.items():
        assert (meaning(row), row["detail"]) == (meaning(whole[value]), whole[value]["detail"]), value


@pytest.mark.parametrize("path", sorted(FOLDER.glob("to_*.csv")), ids=lambda path: path.stem)
def test_every_code_goes_out_once_and_groups_are_never_guessed_down(path):
    out = rows(path.stem)
    assert sorted(row["code"] for row in out) == sorted(CODES)
    for row in out:
        assert row["reason"] or row["relation"] == "exact", row
        if CODES[row["code"]]["kind"] == "group" and path.stem in (
            "to_national_2001",
            "to_ons_2021_category",
            "to_ukcore",
        ):
            assert (row["value"], row["reason"]) == ("", "over_general"), row


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_nothing_becomes_the_majority_by_default(vocabulary):
    """A row is British, or of the group that holds British people, only if its own words say so."""
    named = re.compile(
        r"brit|english|eng/|e/w/s/ni|scot|welsh|cymr|cornish|northern irish|\bn irish|white uk", re.IGNORECASE
    )
    group = re.compile(r"\bwhite|caucas|\bwhit\b", re.IGNORECASE)
    for row in rows(f"from_{vocabulary}"):
        words = f"{row['value']} {row['term']}"
        if row["code"] == "british":
            assert named.search(words), row
        if row["code"] == "group_european":
            assert group.search(words) and row["relation"] == "broad", row


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_group_is_coded_where_the_words_name_only_a_group(vocabulary):
    for row in rows(f"from_{vocabulary}"):
        is_group = CODES.get(row["code"], {}).get("kind") == "group"
        over_general = slug(row) == "over_general" or row["reason"] == "contested: the term names only the group"
        assert is_group == over_general, row


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_not_known_is_not_not_stated_is_not_not_recorded(vocabulary):
    for row in rows(f"from_{vocabulary}"):
        words = f"{row['value']} {row['term']}".casefold()
        if re.search(r"refus|declin|prefer not|rather not", words) and slug(row) != "merges_two":
            assert row["status"] == "not_stated", row
        if re.search(r"not asked|unconscious|unknown", words) and slug(row) != "merges_two":
            assert row["status"] == "not_known", row
        if re.search(r"not recorded", words) and slug(row) != "merges_two":
            assert row["status"] == "not_recorded", row


def test_a_code_is_read_only_with_the_meaning_of_its_own_vocabulary():
    census, digits, letters = index("from_ons_2021"), index("from_legacy_1995"), index("from_gdppr")
    assert [census[value]["code"] for value in "14"] == ["bangladeshi", "pakistani"]
    assert [digits[value]["code"] for value in "14"] == ["caribbean", "indian"]
    assert (digits["9"]["status"], census["9"]["code"]) == ("not_known", "mixed_asian")
    # T and W are letters of the GP extract only; X is not known of hospital extracts only.
    assert {letters["T"]["code"], letters["W"]["code"]} == {"gypsy_or_irish_traveller", "arab"}
    for vocabulary in ("national_2001", "ukcore"):
        assert not {"T", "W", "X"} & set(index(f"from_{vocabulary}"))
    # No code of a list is an answer in free text: B is not British there, and 1 nothing at all.
    assert [value for value in TEXT if len(value) < 2 or value.isdigit()] == []
    # What the national item of 2021 sends is kept and counted until its values are published.
    assert rows("from_ethnicity_2021_national") == []


def test_the_digits_of_the_1990s_are_read_only_until_march_2001():
    digits = rows("from_legacy_1995")
    assert sorted(row["value"] for row in digits) == [str(number) for number in range(10)]
    assert {row["valid_to"] for row in digits} == {"2001-03-31"}
    white = index("from_legacy_1995")["0"]
    assert (white["code"], white["relation"], slug(white)) == ("group_european", "broad", "over_general")


@pytest.mark.parametrize("system", ["emis", "tpp", "vision"])
def test_one_answer_reads_the_same_in_every_practice_system(system):
    """The same Read code with the same words, or the same words, mean what SNOMED CT's words mean here."""

    def words(row: dict[str, str]) -> str:
        return re.sub(r"[^a-z0-9]+", " ", row["term"].replace("&/or", "/").casefold()).strip()

    concepts = {words(row): row for row in rows("from_snomed_ct")}
    same = [(row, concepts[words(row)]) for row in rows(f"from_{system}") if words(row) in concepts]
    assert len(same) >= 60
    for row, concept in same:
        assert (meaning(row), row["detail"]) == (meaning(concept), concept["detail"]), row


def test_read_codes_keep_their_case():
    tpp = index("from_tpp")
    assert (tpp["XaJRA"]["code"], tpp["XaJRa"]["code"]) == ("any_other_s", "group_caribbean_african")
    assert (tpp["XactE"]["status"], tpp["Xacte"]["code"]) == ("not_recorded", "mixed_asian")
    assert len(tpp) == 284 and len(index("from_vision")) == 243


def test_country_of_origin_is_never_ethnicity():
    vision = index("from_vision")
    origin = [vision[f"134{character}."] for character in ".123456789AZ"]
    assert {(row["status"], slug(row)) for row in origin} == {("unrecognised", "country_of_origin")}
    for country in ("Pakistan", "India", "Nigeria", "Somalia", "Poland", "Sri Lanka", "Jamaica", "Ireland"):
        assert said(country) == ("", "", "unrecognised", "country_name")


def test_weighted_by_people_nearly_all_who_said_something_get_a_category_or_group():
    recorded = [row for row in rows("from_snomed_ct") if row["people"]]
    saying = [row for row in recorded if letter_of("GDPPR", row) != "Z"]
    assert len(recorded) == 489
    total = sum(int(row["people"]) for row in saying)
    assert total == 49_481_261  # the published counts: a damaged file would change them
    assert sum(int(row["people"]) for row in saying if row["code"]) / total >= 0.999


def test_every_concept_that_gdppr_calls_not_stated_gets_the_absence_that_its_words_name():
    silent = {row["value"]: row for row in rows("from_snomed_ct") if letter_of("GDPPR", row) == "Z"}
    assert len(silent) == 7 and sum(int(row["people"]) for row in silent.values()) == 1_654_642
    assert {row["status"] for row in silent.values()} == {"not_stated", "not_known", "not_recorded"}
    assert silent["312861003"]["status"] == "not_recorded" and silent["415794004"]["status"] == "not_known"


def test_each_difference_from_gdppr_has_a_reason_and_is_listed_with_its_people():
    differences = differences_from_gdppr()
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").split("## Every difference from GDPPR")[1]
    listed = re.findall(r"^\| (\d+) \| .* \| ([A-Z]) \| (\w+) \| .+ \| ([\d,]+) \|$", readme, re.MULTILINE)
    expected = [
        (value, letter, row["code"] or row["status"], f"{int(row['people']):,}")
        for value, (letter, row) in differences.items()
    ]
    assert sorted(listed) == sorted(expected)
    assert [value for value, (_, row) in differences.items() if not row["reason"]] == []


def test_each_contested_concept_says_by_which_rule_it_was_decided():
    contested = [row for row in rows("from_snomed_ct") if slug(row) == "contested"]
    assert len(contested) == 53
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for row in contested:
        line = rf"^\| {row['value']} \| .* \| {row['code']} \| .* \| {int(row['people']):,} \|$"
        assert re.search(line, readme, re.MULTILINE), row
        if row["reason"] == "contested: the GDPPR letter, nothing better known":
            assert meaning(row) == meaning(index("from_gdppr")[letter_of("GDPPR", row) or ""]), row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Somali", ("african", "somali", "known", "narrower_term")),
        ("British Somali", ("african", "somali", "known", "narrower_term")),
        ("Jewish", ("any_other_s", "jewish", "known", "faith_answer")),
        ("White British Jewish", ("british", "jewish", "known", "narrower_term")),
        ("Sikh", ("any_other_l", "sikh", "known", "faith_answer")),
        ("Roma", ("roma", "", "known", "")),
        ("Slovak Roma", ("roma", "slovak", "known", "term_names_category")),
        ("Romany", ("gypsy_or_irish_traveller", "romany_gypsy", "known", "narrower_term")),
        ("Irish Traveller", ("gypsy_or_irish_traveller", "irish_traveller", "known", "narrower_term")),
        ("Gypsy/Roma", ("group_gypsy_roma_traveller", "", "known", "over_general")),
        ("Kurdish", ("any_other_s", "kurdish", "known", "narrower_term")),
        ("Kashmiri", ("any_other_l", "kashmiri", "known", "narrower_term")),
        ("Mirpuri", ("pakistani", "mirpuri", "known", "published_list")),
        ("Yemeni", ("any_other_s", "yemeni", "known", "same_as_snomed_ct")),
        ("Yemeni Arab", ("arab", "yemeni", "known", "narrower_term")),
        ("Nigerian", ("african", "nigerian", "known", "narrower_term")),
        ("American", ("any_other_s", "american", "known", "nationality_answer")),
        ("Asian", ("group_asian", "", "known", "over_general")),
        ("British Asian", ("group_asian", "british_asian", "known", "over_general")),
        ("Black British", ("group_caribbean_african", "black_british", "known", "over_general")),
        ("mixed", ("group_mixed", "", "known", "over_general")),
        ("white", ("group_european", "", "known", "over_general")),
        ("WHITE BRITISH", ("british", "", "known", "")),
        ("White \u2013 British", ("british", "", "known", "")),
        ("Carribean", ("caribbean", "", "known", "")),
        ("British", ("", "", "unrecognised", "british_alone")),
        ("UK", ("", "", "unrecognised", "british_alone")),
        ("GB", ("", "", "unrecognised", "british_alone")),
        ("None of your business", ("", "", "not_stated", "refused")),
        ("prefer not to say", ("", "", "not_stated", "refused")),
        ("N/K", ("", "", "not_known", "not_known")),
        ("not asked", ("", "", "not_known", "not_known")),
        ("not recorded", ("", "", "not_recorded", "not_recorded")),
        ("Undeclared or Not known", ("", "", "not_known", "merges_two")),
    ],
)
def test_free_text_is_read_as_the_standard_says(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize("heading", TABLE_HEADINGS)
def test_the_headings_of_tables_are_refused(heading):
    assert said(heading) == ("", "", "unrecognised", "aggregate_label")


def test_no_heading_of_a_table_has_a_code():
    headings = re.compile(r"^(all\b.*|.* total|ethnicity_.*|.*\b(bame|bme)\b.*|.*\binc\b.*|.*ethnic minorit.*)$")
    found = [row for row in TEXT.values() if headings.match(row["value"].casefold())]
    assert len(found) > 60
    assert [row["value"] for row in found if row["code"] or slug(row) != "aggregate_label"] == []


def test_the_labels_of_the_national_lists_are_read_in_full():
    for name in ("national_2001", "ons_2021", "ons_2011", "adult_social_care"):
        for row in rows(f"from_{name}"):
            for words in (row["term"], row["value"]):
                if row["status"] == "known" and len(words) > 2 and words.upper() in TEXT:
                    assert TEXT[words.upper()]["code"] == row["code"], row
            assert row["status"] != "known" or {row["term"].upper(), row["value"].upper()} & set(TEXT), row


def test_free_text_and_snomed_ct_agree_word_for_word():
    stem = re.compile(r" - ethnic category 2001 census$| - ethnic group$| \(NMO\)$|^Race: ", re.IGNORECASE)
    compared = 0
    for row in rows("from_snomed_ct"):
        text = TEXT.get(stem.sub("", row["term"]).upper())
        if text:
            compared += 1
            assert (meaning(text), text["detail"]) == (meaning(row), row["detail"]), (row, text)
    assert compared > 150


def test_a_faith_that_was_answered_is_kept_as_a_detail():
    faiths = {row["detail"] for row in rows("details") if row["kind"] == "faith"}
    assert {"jewish", "sikh", "muslim", "hindu", "buddhist", "christian"} <= faiths
    for vocabulary in VOCABULARIES:
        for row in rows(f"from_{vocabulary}"):
            if slug(row) == "faith_answer":
                assert row["detail"] in faiths and row["status"] == "known", row
                # Where the vocabulary has no better place than S, the row says that S is only a place.
                assert (row["relation"] == "broad") == (row["code"] == "any_other_s"), row


def test_refusals_and_merged_answers_of_social_care():
    care = index("from_adult_social_care")
    assert (care["Refused"]["status"], slug(care["Refused"])) == ("not_stated", "refused")
    merged = care["Undeclared or Not known"]
    assert (merged["status"], slug(merged)) == ("not_known", "merges_two")
    assert any("proposed" in row["source"] for row in care.values())
