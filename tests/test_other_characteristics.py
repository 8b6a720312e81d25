"""Sex, gender, orientation, faith, disability, home and the rest: what each value means, row by row, through the engine."""

import pytest

from tests.code_files import SYSTEMS as FOLDER
from tests.code_files import table
from tests.test_resolve import mapped, meaning, meanings
from transforms.snomed import is_snomed_identifier
from transforms.standard import load

# What the national lists hold, copied from them; every value has a row, and no row is added to them.
NATIONAL = {
    ("sex", "person_stated_gender"): "1 2 9 X",
    ("sex", "person_gender_current"): "0 1 2 9",
    ("sex", "fhir_gender"): "male female other unknown",
    ("gender_identity", "gender_identity_code"): "1 2 3 4 X Z",
    ("is_gender_same_as_at_birth", "gender_identity_same_at_birth_indicator"): "Y N X Z",
    ("sexual_orientation", "person_stated_sexual_orientation"): "1 2 3 4 U Z 9",
    ("religion", "religion_group"): "A B C D E F G H I J K L M N",
    ("disability", "disability_code"): "01 02 03 04 05 06 07 08 09 10 XX NN ZZ",
    ("disability_impact", "disability_impact_perception"): "01 02 03 04",
    ("reasonable_adjustment_required", "reasonable_adjustment_required_indicator"): "Y N",
    ("accommodation", "accommodation_type"): " ".join([*(f"{n:02}" for n in range(1, 22)), "98"]),
    (
        "accommodation",
        "accommodation_status_code",
    ): "MA00 MA01 MA02 MA03 MA04 MA05 MA06 MA09 HM01 HM03 HM04 HM05 HM06 HM07",
    ("is_settled_accommodation", "settled_accommodation_indicator"): "Y N Z 9",
    ("armed_forces", "ex_british_armed_forces_indicator"): "02 03 05 UU ZZ",
    ("contact_preference", "ukcore_preferred_contact_method"): "1 2 3 4 5 6 7 8 9",
}
OURS = {system for system, _ in NATIONAL} | {"mobility", "digital_exclusion", "inclusion_health_group"}
SENSITIVE = {
    "gender_identity",
    "is_gender_same_as_at_birth",
    "sexual_orientation",
    "religion",
    "inclusion_health_group",
}
WORDS = sorted(
    (path.parent.name, path.stem.removeprefix("from_"))
    for path in FOLDER.glob("*/from_*_text.csv")
    if path.parent.name in OURS
)
ABSENT = ("not_stated", "not_known", "unrecognised", "not_recorded")
named = pytest.mark.parametrize


def out(system: str, classification: str) -> dict[str, dict[str, str]]:
    """Code -> its row of a to_ file."""
    return {row["code"]: row for row in table(system, f"to_{classification}")}


def codes(system: str) -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in load().codes if row["system"] == system and row["kind"] != "detail"}


@named(("system", "vocabulary"), NATIONAL)
def test_every_value_of_a_national_list_has_a_row_and_no_other_is_added(system, vocabulary):
    assert sorted(row["value"] for row in mapped(system, vocabulary)) == sorted(NATIONAL[system, vocabulary].split())


# What was sent, and what it means: a code, or the absence. An answer that says "none" or "not sure" is an answer.
MEANT = [
    ("sexual_orientation", "person_stated_sexual_orientation", "U", "not_sure"),
    ("sexual_orientation", "person_stated_sexual_orientation", "Z", "not_stated"),
    ("sexual_orientation", "person_stated_sexual_orientation", "9", "not_known"),
    ("sexual_orientation", "person_stated_sexual_orientation", None, "not_recorded"),
    ("sexual_orientation", "person_stated_sexual_orientation", "5", "unrecognised"),
    ("gender_identity", "gender_identity_code", "Z", "not_stated"),
    ("gender_identity", "gender_identity_code", "x", "not_known"),
    ("gender_identity", "gender_identity_code", "  ", "not_recorded"),
    ("gender_identity", "gender_identity_code", "9", "unrecognised"),
    ("gender_identity", "fhir_gender_identity", "non-disclose", "not_stated"),
    ("sex", "person_stated_gender", "9", "indeterminate"),
    ("sex", "person_gender_current", "9", "not_known"),
    ("sex", "person_stated_gender", "0", "unrecognised"),
    ("sex", "person_gender_current", "X", "unrecognised"),
    ("religion", "religion_group", "L", "no_religion"),
    ("religion", "religion_group", "M", "not_stated"),
    ("religion", "religion_group", "N", "not_known"),
    ("religion", "religion_group", "Z", "unrecognised"),
    ("disability", "disability_code", "NN", "no_disability"),
    ("disability", "disability_code", "ZZ", "not_stated"),
    ("disability", "disability_code", "99", "unrecognised"),
    ("disability_impact", "disability_impact_perception", "03", "not_limited"),
    ("disability_impact", "disability_impact_perception", "04", "not_stated"),
    ("is_settled_accommodation", "settled_accommodation_indicator", "9", "not_known"),
    ("is_settled_accommodation", "settled_accommodation_indicator", "Z", "not_stated"),
    ("armed_forces", "ex_british_armed_forces_indicator", "UU", "not_sure"),
    ("armed_forces", "ex_british_armed_forces_indicator", "ZZ", "not_stated"),
    ("accommodation", "accommodation_type", "12", "rough_sleeping"),
    ("accommodation", "accommodation_status_code", "HM01", "rough_sleeping"),
    ("accommodation", "accommodation_type", "14", "sofa_surfing"),
    ("accommodation", "accommodation_status_code", "HM04", "sofa_surfing"),
    ("accommodation", "accommodation_type", "18", "hostel"),
    ("accommodation", "accommodation_status_code", "HM03", "night_shelter_or_hostel"),
    ("accommodation", "accommodation_text", "NFA", "homeless"),
    ("inclusion_health_group", "inclusion_health_group_text", "just out of prison", "in_contact_with_justice_system"),
    ("reasonable_adjustment_required", "snomed_ct", "1108111000000107", "required"),
    ("reasonable_adjustment_required", "snomed_ct", "1853781000000107", "not_recorded"),
    ("contact_preference", "contact_preference_text", "no preference", "no_preference"),
    ("contact_preference", "contact_preference_text", "none", "unrecognised"),
    ("religion", "religion_text", "none", "no_religion"),
    ("disability", "disability_text", "none", "no_disability"),
]


@named(("system", "vocabulary", "sent", "expected"), MEANT)
def test_what_a_value_means(system, vocabulary, sent, expected):
    code, _, status, reason = meaning(sent, vocabulary, system=system)
    assert (code or status) == expected
    assert code or reason, "what has no code says why"
    assert code not in ABSENT


def outgoing() -> list[tuple[str, str]]:
    return sorted(
        (p.parent.name, p.stem.removeprefix("to_")) for p in FOLDER.glob("*/to_*.csv") if p.parent.name in OURS
    )


@named(("system", "classification"), outgoing())
def test_what_goes_out_comes_back_and_each_code_goes_out_once(system, classification):
    rows = out(system, classification)
    assert list(rows) == list(codes(system)), "every code once, in the order of codes.csv"
    read_with = "adult_social_care" if classification == "client_level_data" else classification
    back = {row["value"]: row["code"] or row["status"] for row in mapped(system, read_with)}
    for code, row in rows.items():
        if row["relation"] in ("exact", "narrow"):
            assert back[row["value"]] == code, row
        elif row["relation"] == "broad":
            assert row["value"] in back, row
    if read_with != classification:
        return
    for row in mapped(system, classification):
        if row["relation"] == "exact":
            assert rows[row["code"]]["value"] == row["value"]
        elif not row["code"] and not row["reason"].startswith("contested"):
            assert rows[row["status"]]["value"] == row["value"], "an absence that comes in goes out as itself"


@named("system", sorted(OURS))
def test_absences_go_out_as_themselves_or_not_at_all(system):
    for owner, classification in outgoing():
        if owner != system:
            continue
        sent = [row["value"] for code, row in out(system, classification).items() if code in ABSENT and row["value"]]
        others = [row["value"] for code, row in out(system, classification).items() if code not in ABSENT]
        assert len(set(sent)) == len(sent)
        assert not set(sent) & set(others)


@named(("system", "vocabulary"), WORDS)
def test_words_mean_the_same_however_they_are_typed(system, vocabulary):
    rows = mapped(system, vocabulary)
    for typed in (str.upper, str.lower, str.title, lambda value: f"  {value.capitalize()} "):
        found = meanings([typed(row["value"]) for row in rows], vocabulary, system=system)
        for one, row in zip(found, rows, strict=True):
            assert (one["code"] or "", one["detail"] or "", one["status"]) == (
                row["code"],
                row["detail"],
                row["status"],
            )


@named(("system", "vocabulary"), WORDS)
def test_words_keep_refused_not_asked_and_blank_apart(system, vocabulary):
    sent = ["Prefer NOT to say", "rather not say", "refused", "Not asked", "unknown", "not recorded", "", "zzz", "?"]
    found = [one["status"] for one in meanings(sent, vocabulary, system=system)]
    assert found == [*["not_stated"] * 3, *["not_known"] * 2, *["not_recorded"] * 2, *["unrecognised"] * 2]


def test_do_not_know_is_no_orientation_until_it_is_clear_whose_answer_it_was():
    said = meaning("don't know", "sexual_orientation_text", system="sexual_orientation")
    assert said[2] == "not_known"
    assert said[3].startswith("contested")
    assert meaning("not sure", "sexual_orientation_text", system="sexual_orientation")[0] == "not_sure"


def test_that_a_person_is_trans_is_nowhere_a_code_or_a_detail():
    assert not [row for row in load().codes if row["system"] == "gender_identity" and row["kind"] == "detail"]
    for word, code in (
        ("trans woman", "woman"),
        ("woman", "woman"),
        ("trans man", "man"),
        ("trans", "gender_not_said"),
    ):
        assert meaning(word, "gender_identity_text", system="gender_identity")[:2] == (code, None)


def test_an_identifier_that_a_spreadsheet_damaged_is_nowhere():
    """A published list has this one with its last three digits rounded away."""
    values = [row["value"] for row in mapped("sexual_orientation", "snomed_ct")]
    assert "1064711000000108" in values
    assert "1064711000000100" not in values
    assert not is_snomed_identifier("1064711000000100")


def test_sensitive_characteristics_stay_in_the_protected_area():
    rows = [row for row in load().tables["fields"] if row["code_system"]]
    assert {row["code_system"] for row in rows if row["suppression"] == "sensitive"} == SENSITIVE
    assert all(row["area"] == "protected" for row in rows if row["code_system"] in SENSITIVE)
    assert all(row["use"] for row in rows), "nothing is collected without a use"
    assert "marital_status" not in {row["field"] for row in load().tables["fields"]}, "the standard does not ask it"


@named("system", sorted({row["code_system"] for row in load().tables["fields"] if row["code_system"]}))
def test_every_coded_field_has_codes_and_something_that_becomes_them(system):
    assert set(codes(system)) - set(ABSENT)
    assert any(row["code"] for row in load().code_maps if row["system"] == system)


@named("system", sorted(OURS))
def test_every_code_can_be_sent_by_somebody(system):
    """A code that no value becomes would be a promise that nobody keeps."""
    become = {row["code"] for row in load().code_maps if row["system"] == system}
    assert set(codes(system)) - set(ABSENT) <= become


@named("system", sorted(OURS))
def test_the_folder_says_what_it_is_for(system):
    said = (FOLDER / system / "README.md").read_text(encoding="utf-8")
    for part in ("## Sources", "## Decided", "## Contested"):
        assert part in said
    assert (system in SENSITIVE) == ("never leave" in said), "sensitive answers never leave the protected area"


def test_the_small_file_s_own_examples_are_understood():
    """What the template shows as an answer must be one."""
    for entry in load().layouts["small_csv"].columns:
        system = load().characteristics().get(entry["field"])
        if system in OURS and entry.get("example"):
            found = [meaning(entry["example"], name, system=system)[2] for name in entry["vocabulary"]]
            assert set(found) != {"unrecognised"}, entry["column"]
