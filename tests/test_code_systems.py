"""standards/code_systems and standards/geography -> nothing: what must hold on every row, read from the files."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.code_files import SYSTEMS, rows, table

STANDARDS = Path(__file__).resolve().parent.parent / "standards"
NAMES = sorted(path.name for path in SYSTEMS.iterdir() if path.is_dir())
ABSENCES = {
    "not_stated": "other",
    "not_known": "default",
    "unrecognised": "invalid",
    "not_recorded": "missing",
}
COLOURS = re.compile(r"\b(black|white|brown|yellow|red|colou?red|caucasian|bame)\b", re.IGNORECASE)
# Group-level sets place groups; all other sets of ethnicity leave them blank.
GROUP_LEVEL = {"ons_2021_group", "heritage", "commission_2025"}
# The seven concepts that GDPPR gives its letter Z.
GDPPR_NOT_STATED = {
    "92531000000104",
    "415226007",
    "763726001",
    "312861003",
    "415794004",
    "312860002",
    "1024701000000100",
}


def index(system: str, name: str, key: str) -> dict[str, dict[str, str]]:
    return {row[key]: row for row in table(system, name)}


def files(prefix: str) -> list[tuple[str, str]]:
    return [(path.parent.name, path.stem) for path in sorted(SYSTEMS.glob(f"*/{prefix}*.csv"))]


def is_case_sensitive(vocabulary: str) -> bool:
    [row] = [row for row in rows(STANDARDS / "vocabularies.csv") if row["vocabulary"] == vocabulary]
    return row["is_case_sensitive"] == "true"


def verhoeff(identifier: str) -> bool:
    """Whether the last digit is the check digit that SNOMED CT asks for (Verhoeff, over the dihedral group of ten)."""

    def multiply(a: int, b: int) -> int:
        # Rotations are 0 to 4, reflections 5 to 9.
        turned = a + b if a < 5 else a - b
        return turned % 5 + (5 if (a < 5) != (b < 5) else 0)

    step = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for position, character in enumerate(reversed(identifier)):
        digit = int(character)
        for _ in range(position % 8):
            digit = step[digit]
        check = multiply(check, digit)
    return check == 0


def is_snomed_identifier(identifier: str) -> bool:
    return bool(re.fullmatch(r"[1-9]\d{5,17}", identifier)) and verhoeff(identifier)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [("92391000000108", True), ("302767002", True), ("302767009", False), ("184156008", False)],
)
def test_check_digit_tells_known_good_from_known_bad(identifier, expected):
    assert is_snomed_identifier(identifier) is expected


def test_the_five_systems_are_there_with_a_readme():
    assert {"ethnic_category", "language", "interpreter_required", "is_carer", "has_carer"} <= set(NAMES)
    for folder in (*(SYSTEMS / name for name in NAMES), STANDARDS / "geography"):
        assert (folder / "README.md").stat().st_size > 200, folder


def test_files_are_plain_text_without_byte_order_mark_or_carriage_return():
    for path in (*SYSTEMS.glob("**/*.csv"), *(STANDARDS / "geography").glob("*.csv")):
        content = path.read_bytes()
        assert not content.startswith(b"\xef\xbb\xbf"), path
        assert b"\r" not in content, path
        for row in rows(path):
            assert None not in row and None not in row.values(), (path, row)
            assert all(value == value.strip() for value in row.values()), (path, row)


@pytest.mark.parametrize("system", NAMES)
def test_codes_are_unique_and_each_absence_is_named_once(system):
    codes = table(system, "codes")
    assert [code for code, n in Counter(row["code"] for row in codes).items() if n > 1] == []
    assert {row["code"]: row["vodim"] for row in codes if row["kind"] == "absence"} == ABSENCES
    labels = Counter(row["label"].casefold() for row in codes)
    assert [label for label, n in labels.items() if n > 1] == []
    for row in codes:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row["code"]), row
        assert row["kind"] in ("category", "residual", "group", "absence"), row
        assert row["vodim"] == ABSENCES.get(row["code"], "valid"), row
        assert row["status"] in ("agreed", "proposed"), row
        assert row["label"] and row["definition"] and row["source"], row


@pytest.mark.parametrize("system", NAMES)
def test_a_parent_is_a_group(system):
    kinds = {row["code"]: row["kind"] for row in table(system, "codes")}
    for row in table(system, "codes"):
        assert not row["parent"] or kinds[row["parent"]] == "group", row
    if system == "ethnic_category":
        assert all(row["parent"] for row in table(system, "codes") if row["kind"] in ("category", "residual"))


def test_details_are_unique_and_no_category():
    details = table("ethnic_category", "details")
    slugs = [row["detail"] for row in details]
    assert len(slugs) == len(set(slugs))
    assert not set(slugs) & {row["code"] for row in table("ethnic_category", "codes")}
    assert {row["kind"] for row in details} == {"community", "nationality", "faith"}
    assert {"somali", "polish", "punjabi", "jewish", "black_british"} <= set(slugs)


@pytest.mark.parametrize(("system", "name"), files("from_"))
def test_every_map_row_is_whole(system, name):
    codes = {row["code"] for row in table(system, "codes") if row["kind"] != "absence"}
    has_details = (SYSTEMS / system / "details.csv").exists()
    details = {row["detail"] for row in table(system, "details")} if has_details else set()
    for row in table(system, name):
        assert row["value"] and row["term"] and row["source"], row
        assert row["status"] in ("known", *ABSENCES), row
        assert (row["status"] == "known") == bool(row["code"]), row
        assert not row["code"] or row["code"] in codes, row
        assert not row["detail"] or row["detail"] in details, row
        assert row["relation"] in ("exact", "broad", "narrow", "none"), row
        assert (row["relation"] == "none") == (not row["code"]), row
        assert row["reason"] or row["relation"] == "exact", row
        assert re.fullmatch(r"\d*", row["people"]), row


@pytest.mark.parametrize(("system", "name"), files("from_"))
def test_no_value_stands_twice(system, name):
    sensitive = is_case_sensitive(name.removeprefix("from_"))
    seen = Counter(
        row["value"].strip() if sensitive else row["value"].strip().casefold() for row in table(system, name)
    )
    assert [value for value, n in seen.items() if n > 1] == []


@pytest.mark.parametrize(("system", "name"), [item for item in files("from_") if item[1] == "from_snomed_ct"])
def test_every_snomed_identifier_passes_its_check_digit(system, name):
    assert [row["value"] for row in table(system, name) if not is_snomed_identifier(row["value"])] == []


@pytest.mark.parametrize(("system", "name"), files("to_"))
def test_every_code_goes_out_exactly_once(system, name):
    out = [row["code"] for row in table(system, name)]
    assert sorted(out) == sorted(row["code"] for row in table(system, "codes"))
    for row in table(system, name):
        assert row["relation"] in ("exact", "broad", "narrow", "none"), row
        assert row["status"] in ("agreed", "proposed"), row
        assert bool(row["value"]) == bool(row["label"]) == (row["relation"] != "none"), row
        assert row["value"] or row["reason"], row
        assert row["relation"] == "exact" or row["reason"], row


def test_groups_of_ethnicity_go_out_blank_except_in_sets_of_groups():
    groups = {row["code"] for row in table("ethnic_category", "codes") if row["kind"] == "group"}
    assert len(groups) == 6
    for system, name in files("to_"):
        if system != "ethnic_category":
            continue
        for code, row in index(system, name, "code").items():
            if code not in groups:
                continue
            if name.removeprefix("to_") in GROUP_LEVEL:
                assert row["value"] and row["label"], row
            else:
                assert (row["value"], row["reason"]) == ("", "over_general"), row


def test_every_set_is_named_and_says_whose_words_it_uses():
    sets = {(row["system"], row["classification"]): row for row in rows(SYSTEMS / "sets.csv")}
    assert set(sets) == {(system, name.removeprefix("to_")) for system, name in files("to_")}
    assert {row["wording"] for row in sets.values()} == {"ours", "third_party"}
    assert all(row["title"] and row["source"] for row in sets.values())
    assert sets["ethnic_category", "heritage"]["year"]


def test_our_own_labels_hold_no_colour_word():
    ours = [row["label"] for row in table("ethnic_category", "codes")]
    for row in rows(SYSTEMS / "sets.csv"):
        if row["wording"] == "ours":
            for label in table(row["system"], f"to_{row['classification']}"):
                ours += [label["label"], label.get("group_label", "")]
    assert [label for label in ours if COLOURS.search(label)] == []


def test_a_group_label_of_ours_stands_beside_its_categories():
    parents = {row["code"]: row["parent"] for row in table("ethnic_category", "codes")}
    groups = {}
    for row in table("ethnic_category", "to_heritage"):
        if row["value"]:
            assert row["group"] == (parents[row["code"]] or row["code"]), row
            groups.setdefault(row["group"], set()).add(row["group_label"])
    assert len(groups) == 6
    assert all(len(labels) == 1 and "" not in labels for labels in groups.values())


def test_national_first_character_out_equals_the_one_in():
    out = index("ethnic_category", "to_national_2001", "code")
    for name in ("from_national_2001", "from_ukcore_2001"):
        for row in table("ethnic_category", name):
            if row["status"] == "known":
                assert out[row["code"]]["value"] == row["value"][0], row


def test_z_and_99_round_trip():
    came, out = (
        index("ethnic_category", "from_national_2001", "value"),
        index("ethnic_category", "to_national_2001", "code"),
    )
    for value in ("Z", "99"):
        assert out[came[value]["status"]]["value"] == value
    assert came["9"]["status"] == "not_known" and came["9"]["reason"] == "withdrawn_2004"
    assert set(came) == {*"ABCDEFGHJKLMNPRSZ", "99", "9"}
    assert {row["value"]: row["status"] for row in table("ethnic_category", "from_national_2001_hes")} == {
        "X": "not_known"
    }


def test_census_codes_round_trip():
    out = index("ethnic_category", "to_ons_2021_category", "code")
    known = [row for row in table("ethnic_category", "from_ons_2021") if row["status"] == "known"]
    assert sorted(int(row["value"]) for row in known) == list(range(1, 20))
    assert all(out[row["code"]]["value"] == row["value"] for row in known)
    # 1 and 4 mean other things in older vocabularies: no map may be shared.
    assert index("ethnic_category", "from_ons_2021", "value")["1"]["code"] == "bangladeshi"


@pytest.mark.parametrize(
    ("vocabulary", "value", "code", "detail", "relation"),
    [
        ("national_2001", "C", "any_other_c", "", "broad"),
        ("national_2001", "S", "any_other_s", "", "broad"),
        ("national_2001", "P", "any_other_p", "", "exact"),
        ("ukcore_2001", "PA", "any_other_p", "somali", "narrow"),
        ("ukcore_2001", "PD", "any_other_p", "black_british", "narrow"),
        ("ukcore_2001", "CN", "gypsy_or_irish_traveller", "romany_gypsy", "narrow"),
        ("snomed_ct", "92711000000100", "african", "somali", "narrow"),
        ("snomed_ct", "88941000000100", "any_other_c", "polish", "narrow"),
        ("snomed_ct", "88991000000105", "any_other_s", "jewish", "broad"),
        ("snomed_ct", "110791000000100", "group_caribbean_african", "black_british", "broad"),
        ("snomed_ct", "315280000", "group_asian", "", "broad"),
        ("snomed_ct", "718961001", "roma", "slovak", "narrow"),
        ("snomed_ct", "89001000000105", "arab", "", "exact"),
        ("emis", "9i20.", "british", "english", "narrow"),
    ],
)
def test_decisions_of_the_standard(vocabulary, value, code, detail, relation):
    row = index("ethnic_category", f"from_{vocabulary}", "value")[value]
    assert (row["code"], row["detail"], row["relation"]) == (code, detail, relation)


def test_what_names_only_a_group_is_called_over_general():
    groups = {row["code"] for row in table("ethnic_category", "codes") if row["kind"] == "group"}
    for name in ("from_snomed_ct", "from_emis"):
        for row in table("ethnic_category", name):
            over_general = row["reason"] in ("over_general", "contested: the term names only the group")
            assert (row["code"] in groups) == over_general, row


def test_traveller_roma_and_arab_terms_have_their_own_category():
    for name in ("from_snomed_ct", "from_emis"):
        for row in table("ethnic_category", name):
            term = row["term"]
            if re.search(r"\bRoma\b", term):
                assert row["code"] == "roma", row
            elif re.search(r"Gyps|Traveller", term):
                assert row["code"] == "gypsy_or_irish_traveller", row
            elif re.search(r"(^|: |\. )Arab", term):
                assert row["code"] == "arab", row


def test_nothing_known_has_become_an_absence_and_nothing_absent_a_category():
    words = re.compile(r"not (stated|given|recorded|known)|refus|declined|unknown", re.IGNORECASE)
    for name in ("from_snomed_ct", "from_emis"):
        for row in table("ethnic_category", name):
            if words.search(row["term"]) and "part not stated" not in row["term"]:
                assert row["status"] != "known", row
            if row["status"] != "known":
                assert words.search(row["term"]) or row["reason"] == "heading_without_answer", row


def test_people_whose_concept_says_something_get_a_category_or_group():
    recorded = [row for row in table("ethnic_category", "from_snomed_ct") if row["people"]]
    assert {row["value"] for row in recorded} >= GDPPR_NOT_STATED
    saying = [row for row in recorded if row["value"] not in GDPPR_NOT_STATED]
    known = sum(int(row["people"]) for row in saying if row["code"])
    total = sum(int(row["people"]) for row in saying)
    assert total == 49_481_261  # the published counts without the seven: a damaged file would change it
    assert known / total >= 0.999


def test_every_contested_concept_says_by_which_rule_it_was_decided():
    contested = [row for row in table("ethnic_category", "from_snomed_ct") if row["reason"].startswith("contested")]
    assert len(contested) == 53
    rules = {row["reason"].removeprefix("contested: ").removesuffix(" (since 2011)") for row in contested}
    assert rules == {
        "the term names the category",
        "the term names only the group",
        "the ONS write-in list places it so",
        "the GDPPR letter, nothing better known",
    }
    readme = (SYSTEMS / "ethnic_category" / "README.md").read_text(encoding="utf-8")
    assert [row["value"] for row in contested if f"| {row['value']} |" not in readme] == []


def test_interpreter_relevant_languages_are_never_merged():
    codes = index("language", "codes", "code")
    for code in ("phr", "syl", "prs", "ckb", "kmr", "yue", "cmn", "hak", "bfi"):
        assert codes[code]["kind"] == "category"
        assert codes[codes[code]["parent"]]["kind"] == "group"
    sent = index("language", "from_nhs_language", "value")
    for value in ("zh", "pa", "ku", "fa", "bn"):
        assert (sent[value]["relation"], codes[sent[value]["code"]]["kind"]) == ("broad", "group")
    assert (sent["q1"]["status"], sent["q1"]["reason"]) == ("unrecognised", "format_not_language")
    by_term = index("language", "from_snomed_ct", "term")
    assert by_term["Main spoken language Gujerati"]["code"] == sent["gu"]["code"] == "guj"
    assert by_term["Cantonese language interpreter needed"]["code"] == "yue"


def test_national_language_codes_round_trip():
    out = index("language", "to_nhs_language", "code")
    for row in table("language", "from_nhs_language"):
        if row["status"] == "known" and row["value"] != "mo":  # Moldavian was withdrawn for Romanian
            assert out[row["code"]]["value"] == row["value"], row


def test_language_codes_are_those_of_iso_or_local():
    pycountry = pytest.importorskip("pycountry")
    families = {"bih", "cpf", "sgn"}  # ISO 639-5: collections
    for row in table("language", "codes"):
        if row["kind"] != "absence":
            is_local = re.fullmatch("q[a-t][a-z]", row["code"]) is not None
            assert is_local or row["code"] in families or pycountry.languages.get(alpha_3=row["code"]), row


def test_an_interpreter_needed_states_both_facts():
    languages = index("language", "from_snomed_ct", "value")
    needs = index("interpreter_required", "from_snomed_ct", "value")
    assert len(needs) > 200
    for value, row in languages.items():
        if "interpreter needed" in row["term"]:
            assert needs[value]["code"] == "required", row
        else:
            assert value not in needs, row


@pytest.mark.parametrize("system", ["interpreter_required", "is_carer"])
def test_yes_and_no_round_trip(system):
    out = index(system, "to_yes_no", "code")
    for row in table(system, "from_yes_no"):
        assert out[row["code"] or row["status"]]["value"] == row["value"]


def test_carers():
    giving = index("is_carer", "from_snomed_ct", "value")
    assert (giving["229774002"]["code"], giving["229774002"]["status"]) == ("", "unrecognised")
    assert giving["229774002"]["reason"].startswith("contested")
    assert giving["506401000000109"]["code"] == giving["199361000000101"]["code"] == "not_carer"
    assert not {"184156008", "302767009"} & set(giving)
    assert not giving["70862002"]["code"] and not giving["702470005"]["code"]
    received = index("has_carer", "from_carer_support_indicator", "value")
    assert received["01"]["code"] == "has_carer"
    # 02 says that support is not available; nobody said that there is no carer.
    assert received["02"]["code"] == "support_not_available"
    assert not set(giving) & set(index("has_carer", "from_snomed_ct", "value"))
    out = index("has_carer", "to_carer_support_indicator", "code")
    assert all(out[row["code"]]["value"] == value for value, row in received.items())


def test_small_areas_of_the_midlands():
    geography = STANDARDS / "geography"
    areas = rows(geography / "lsoa.csv")
    boards = {row["icb_code"] for row in rows(geography / "icb.csv")}
    assert boards == {"QGH", "QHL", "QJ2", "QJM", "QK1", "QNC", "QOC", "QPM", "QT1", "QUA", "QWU"}
    assert len({row["lsoa21_code"] for row in areas}) == len(areas) == 6421
    assert {row["icb_code"] for row in areas} == boards
    for row in areas:
        assert re.fullmatch(r"E01\d{6}", row["lsoa21_code"]), row
        assert re.fullmatch(r"E0[6-9]\d{6}", row["local_authority_code"]), row
    ranks = rows(geography / "deprivation_2025.csv")
    assert {row["lsoa21_code"] for row in ranks} == {row["lsoa21_code"] for row in areas}
    assert len({row["rank"] for row in ranks}) == len(ranks) == 6421
    for row in ranks:
        # A tenth of the 33,755 areas of England in each decile, 1 the most deprived.
        assert row["decile"] == str(-(-int(row["rank"]) * 10 // 33755)), row


def test_places_and_organisations():
    geography = STANDARDS / "geography"
    boards = {row["icb_code"] for row in rows(geography / "icb.csv")}
    for row in rows(geography / "places.csv"):
        assert row["icb_code"] in boards and row["version"], row
    region = [
        row
        for row in rows(geography / "places.csv")
        if (row["place"], row["version"]) == ("midlands", "nhs_england_2024")
    ]
    assert {row["icb_code"] for row in region} == boards
    organisations = rows(geography / "midlands_organisations.csv")
    assert len({row["code"] for row in organisations}) == len(organisations)
    assert all(set(row["icb_code"].split()) <= boards for row in organisations)
    demo = {row["code"] for row in rows(STANDARDS / "providers.csv") if row["demo"] == "true"}
    assert not demo & {row["code"] for row in organisations}
    pseudo = {row["postcode"]: row["place_status"] for row in rows(geography / "pseudo_postcodes.csv")}
    assert pseudo["ZZ993VZ"] == "no_fixed_abode"
    assert all(re.fullmatch(r"ZZ99\d[A-Z]{2}", postcode) for postcode in pseudo)


def test_notice_credits_every_file():
    notice = (STANDARDS.parent / "NOTICE").read_text(encoding="utf-8")
    for path in (*SYSTEMS.glob("**/*.csv"), *(STANDARDS / "geography").glob("*.csv")):
        assert str(path.relative_to(STANDARDS.parent)) in notice, path
