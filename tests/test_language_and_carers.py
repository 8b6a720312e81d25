"""standards/code_systems: languages, communication and carers -> nothing: what must hold on every row of them.

Promise: two languages that need two interpreters are never one code; nobody becomes a carer by being next of kin, by
being paid or by having a carer; and a need is never read as its opposite.
"""

import re
from collections import Counter
from pathlib import Path

import pycountry
import pytest

from tests.code_files import SYSTEMS, rows, table

STANDARDS = Path(__file__).resolve().parent.parent / "standards"
NAMES = (
    "language",
    "interpreter_required",
    "can_read_letters",
    "is_read_to",
    "information_format",
    "contact_method",
    "communication_professional",
    "communication_support",
    "is_carer",
    "has_carer",
    "is_young_carer",
    "may_share_with_carer",
)
ACCESSIBLE = NAMES[4:8]
# ISO 639-5: collections, which no interpreter speaks.
COLLECTIONS = {"bih", "cpf", "sgn"}
# The words that say too little to book an interpreter, and what they must never swallow.
MACROLANGUAGES = {
    "zho": {"yue", "cmn", "hak", "nan", "wuu"},
    "pan": {"pnb", "phr"},
    "kur": {"ckb", "kmr", "sdh"},
    "fas": {"prs", "pes"},
    "ben": {"syl", "ctg"},
}
VARIETIES = {
    "phr": r"mirpuri|pahari|pot[wh]+ari|pothohari",
    "syl": r"s[yi]l[hye]+ti?y?|sylhe",
    "prs": r"\bdari\b",
    "ckb": r"sorani",
    "kmr": r"kurmanj|bahdini|badini",
    "yue": r"cantonese",
    "cmn": r"mandarin",
    "hak": r"hakka",
    "nan": r"hokkien|southern fukienese",
    "pnb": r"pakistani pu?njabi|western pu?njabi",
}


def index(system: str, name: str, key: str = "value") -> dict[str, dict[str, str]]:
    return {row[key]: row for row in table(system, name)}


def maps(system: str) -> list[str]:
    return sorted(path.stem for path in (SYSTEMS / system).glob("from_*.csv"))


def every_row(*systems: str) -> list[tuple[str, str, dict[str, str]]]:
    return [(system, name, row) for system in systems for name in maps(system) for row in table(system, name)]


# ------------------------------------------------------------------------------------------------ all twelve systems


@pytest.mark.parametrize("system", NAMES)
def test_every_row_of_a_map_says_why(system):
    codes = {row["code"]: row for row in table(system, "codes")}
    for _, name, row in every_row(system):
        assert row["value"] and row["term"] and row["source"], (name, row)
        assert (row["relation"] == "none") == (not row["code"]) == (row["status"] != "known"), (name, row)
        assert row["reason"] or row["relation"] == "exact", (name, row)
        assert not row["code"] or codes[row["code"]]["kind"] != "absence", (name, row)


@pytest.mark.parametrize("system", NAMES)
def test_a_group_is_never_exactly_what_somebody_said(system):
    """Who names only a group says less than a category: it is counted as over-general and asked again."""
    kinds = {row["code"]: row["kind"] for row in table(system, "codes")}
    for _, name, row in every_row(system):
        if kinds.get(row["code"]) == "group":
            assert row["relation"] != "exact", (name, row)


@pytest.mark.parametrize("system", NAMES)
def test_what_comes_in_exactly_goes_out_as_it_came(system):
    for name in maps(system):
        path = SYSTEMS / system / f"{name.replace('from_', 'to_')}.csv"
        if not path.exists():
            continue
        out = {row["code"]: row["value"] for row in rows(path)}
        for row in table(system, name):
            if row["relation"] == "exact":
                assert out[row["code"]] == row["value"], (name, row)
            elif row["status"] in ("not_stated", "not_known") and out[row["status"]]:
                assert out[row["status"]] == row["value"], (name, row)


@pytest.mark.parametrize("system", NAMES)
def test_every_code_goes_out_once_and_no_absence_as_an_answer(system):
    codes = [row["code"] for row in table(system, "codes")]
    kinds = {row["code"]: row["kind"] for row in table(system, "codes")}
    for path in sorted((SYSTEMS / system).glob("to_*.csv")):
        out = rows(path)
        assert sorted(row["code"] for row in out) == sorted(codes), path
        answers = {row["value"] for row in out if kinds[row["code"]] != "absence" and row["value"]}
        assert not answers & {row["value"] for row in out if kinds[row["code"]] == "absence"}, path
        assert all(row["reason"] or row["relation"] == "exact" for row in out), path


@pytest.mark.parametrize("system", NAMES)
def test_no_file_says_a_value_twice(system):
    sensitive = {
        row["vocabulary"] for row in rows(STANDARDS / "vocabularies.csv") if row["is_case_sensitive"] == "true"
    }
    for name in maps(system):
        is_sensitive = name.removeprefix("from_") in sensitive
        seen = Counter(row["value"] if is_sensitive else row["value"].upper() for row in table(system, name))
        assert [value for value, n in seen.items() if n > 1] == [], name


@pytest.mark.parametrize("system", [name for name in NAMES if name != "language"])
def test_what_people_type_keeps_declining_not_knowing_and_nothing_apart(system):
    for name in maps(system):
        if not name.endswith("_text"):
            continue
        said = {row["value"].casefold(): row["status"] for row in table(system, name)}
        assert said["prefer not to say"] == said["refused"] == "not_stated", name
        assert said["unknown"] == said["not asked"] == "not_known", name
        assert said["n/a"] == said["not recorded"] == "not_recorded", name


@pytest.mark.parametrize("system", NAMES[2:])
def test_no_is_an_answer(system):
    """Not needing, not being and not agreeing are known: they are never read as nothing."""
    for name in ("from_yes_no", "from_yes_no_text", "from_communication_text"):
        if name in maps(system):
            said = {row["value"].casefold(): row for row in table(system, name)}
            assert (said.get("no") or said["n"])["status"] == "known", name


# ------------------------------------------------------------------------------------------------ language


def test_every_language_is_one_that_iso_knows():
    for row in table("language", "codes"):
        if row["kind"] == "absence":
            continue
        is_local = row["source"].startswith("this standard")
        assert is_local == bool(re.fullmatch(r"q[a-t][a-z]", row["code"])), row
        known = pycountry.languages.get(alpha_3=row["code"])
        assert is_local or row["code"] in COLLECTIONS or known, row
        if row["parent"] == "sgn":
            assert known and row["label"].endswith(("Sign Language", "International Sign")), row


def test_the_languages_that_the_midlands_need_are_there():
    codes = index("language", "codes", "code")
    needed = (
        "phr syl pnb prs ckb kmr sdh yue cmn nan hak rom jam tet haz rhg aii cld ymm sth bho skr kri pcm bfi isg qmk"
    )
    assert set(needed.split()) <= set(codes)
    for row in rows(SYSTEMS / "language" / "codes.csv"):
        if row["source"].startswith("ISO 639-3"):
            assert row["status"] == "proposed", row


def test_a_sign_language_is_a_language():
    signed = [row for row in table("language", "codes") if row["parent"] == "sgn"]
    assert len(signed) > 100
    assert {"bfi", "ase", "isg", "ils"} <= {row["code"] for row in signed}
    assert all(row["kind"] == "category" for row in signed)


def test_macrolanguages_are_broad_and_swallow_no_named_variety():
    codes = index("language", "codes", "code")
    for group, varieties in MACROLANGUAGES.items():
        assert codes[group]["kind"] == "group"
        assert all(codes[code]["parent"] == group and codes[code]["kind"] == "category" for code in varieties)
    for name in maps("language"):
        for row in table("language", name):
            if row["code"] in MACROLANGUAGES:
                assert row["relation"] == "broad" or row["reason"].startswith("narrower_term: "), (name, row)
                for code, words in VARIETIES.items():
                    assert not re.search(words, row["term"] + " " + row["value"], re.IGNORECASE), (name, code, row)


@pytest.mark.parametrize("name", maps("language"))
def test_a_named_variety_is_itself_wherever_it_is_named(name):
    for row in table("language", name):
        for code, words in VARIETIES.items():
            if re.search(words, row["value"] if name == "from_language_text" else row["term"], re.IGNORECASE):
                second = row["reason"].startswith("not_the_main_language")
                assert row["code"] == code or second, (name, row)


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("guj", "Gujarati Gujerati Gujurati Gujrati"),
        ("pan", "Punjabi Panjabi"),
        ("pus", "Pashto Pushto Pashtu Pushtu"),
        ("fas", "Persian Farsi"),
        ("ben", "Bengali Bangla"),
        ("phr", "Mirpuri Pahari Potwari Pothwari"),
        ("som", "Somali Somalian"),
        ("rom", "Romani Romany Romanes"),
        ("tir", "Tigrinya Tigrigna"),
        ("uig", "Uyghur Uighur"),
        ("lug", "Luganda Ganda"),
        ("ibo", "Igbo Ibo"),
        ("bfi", "BSL"),
        ("qmk", "Makaton"),
        ("jam", "Patois Patwa"),
    ],
)
def test_spellings_are_joined(code, spellings):
    typed = {row["value"].casefold(): row for row in table("language", "from_language_text")}
    assert {typed[word.casefold()]["code"] for word in spellings.split()} == {code}


def test_different_languages_stay_apart():
    typed = {row["value"].casefold(): row["code"] for row in table("language", "from_language_text")}
    apart = "farsi dari mandarin cantonese chinese hakka hokkien urdu punjabi mirpuri bengali sylheti sorani kurmanji"
    found = [typed[word] for word in apart.split()]
    assert len(set(found)) == len(found)
    assert typed["tonga (zambia)"] != typed["tongan"] and typed["tigre"] != typed["tigrinya"]


def test_what_is_no_language_is_refused_and_asked_again():
    typed = {row["value"].casefold(): row for row in table("language", "from_language_text")}
    for word in (
        "nigerian",
        "afghan",
        "india",
        "pakistan",
        "uk",
        "british",
        "sikh",
        "other",
        "gaelic",
        "creole",
        "yes",
    ):
        assert typed[word]["status"] == "unrecognised" and not typed[word]["code"], word
    for word in ("english as a second language", "speaks english poorly", "not english"):
        assert typed[word]["status"] == "unrecognised", word


@pytest.mark.parametrize("name", ["from_read_2", "from_ctv3"])
def test_a_second_language_is_not_the_main_one(name):
    seen = 0
    for row in table("language", name):
        if re.search(r"second language|speaks English|not English|lip.?read", row["term"], re.IGNORECASE):
            assert row["status"] == "unrecognised" and row["reason"], row
            seen += 1
    assert seen >= 2


@pytest.mark.parametrize("name", ["from_read_2", "from_ctv3"])
def test_an_entry_that_is_not_called_main_is_not_exact(name):
    for row in table("language", name):
        if row["relation"] == "exact":
            assert row["term"].startswith(("Main spoken language ", "Preferred method of communication")), row


def test_read_codes_differ_by_case():
    read = index("language", "from_read_2")
    assert (read["13lL."]["code"], read["13ll."]["code"]) == ("urd", "heb")
    assert (read["13uL."]["code"], read["13ul."]["code"]) == ("slk", "kaz")
    carers = index("is_carer", "from_read_2")
    assert carers["918A."]["term"] == "Carer" and "substance" in carers["918a."]["term"]


def test_the_same_term_means_the_same_in_every_vocabulary():
    """A term that three systems print is one decision, not three."""
    meant: dict[str, set[tuple[str, str]]] = {}
    for name in ("from_snomed_ct", "from_read_2", "from_ctv3"):
        for row in table("language", name):
            for term in row["term"].split("; "):
                if term.startswith("Main spoken language") and not row["reason"].startswith("contested"):
                    meant.setdefault(term, set()).add((row["code"], row["status"]))
    assert {term: found for term, found in meant.items() if len(found) > 1} == {}


def test_braille_is_a_format_and_never_a_language():
    for name in maps("language"):
        for row in table("language", name):
            if "braille" in row["term"].casefold() or row["value"].casefold() == "q1":
                assert (row["status"], row["reason"]) == ("unrecognised", "format_not_language"), (name, row)
    assert index("information_format", "from_nhs_language")["q1"]["code"] == "braille"
    assert len(table("information_format", "from_nhs_language")) == 1


def test_nothing_becomes_english_by_default():
    for name in maps("language"):
        for row in table("language", name):
            if row["code"] == "eng":
                assert re.search(r"\beng|english", row["term"], re.IGNORECASE), (name, row)
    typed = {row["value"].casefold(): row["status"] for row in table("language", "from_language_text")}
    assert (typed["none"], typed["unknown"], typed["refused"]) == ("not_recorded", "not_known", "not_stated")


def test_languages_go_out_by_iso_code():
    out = index("language", "to_iso_639_3", "code")
    for row in table("language", "codes"):
        if row["kind"] != "absence":
            assert out[row["code"]]["value"] == ("" if row["code"] in COLLECTIONS else row["code"]), row
    assert out["not_known"]["value"] == "und"
    read = index("language", "from_iso_639_3")
    assert (read["und"]["status"], read["zxx"]["status"], read["mis"]["status"]) == (
        "not_known",
        "unrecognised",
        "unrecognised",
    )


# ------------------------------------------------------------------------------------------------ interpreter, reading


def test_an_interpreter_needed_states_both_facts():
    """The same concept, in both systems; a way of signing that is no language states the need alone."""
    languages, needs = index("language", "from_snomed_ct"), index("interpreter_required", "from_snomed_ct")
    for value, row in languages.items():
        assert ("interpreter needed" in row["term"]) == (value in needs), row
    alone = {row["term"] for value, row in needs.items() if value not in languages}
    assert len(needs) - len(alone) > 200
    assert all(re.search("Hands-on|Sign Supported|Visual frame|deafblind", term) for term in alone)
    assert {row["code"] for row in needs.values()} == {"required"}


def test_the_column_interpreter_language_states_the_need_but_not_in_english():
    ecds = index("interpreter_required", "from_ecds_interpreter_language")
    assert set(index("language", "from_snomed_ct")) | set(index("interpreter_required", "from_snomed_ct")) == set(ecds)
    for row in ecds.values():
        if row["term"] == "Main spoken language English":
            assert (row["status"], row["reason"].split(":")[0]) == ("unrecognised", "ambiguous_term")
        assert row["code"] in ("required", ""), row
    assert sum(row["code"] == "required" for row in ecds.values()) > 400


def test_how_well_somebody_speaks_english_is_no_need():
    for row in table("interpreter_required", "from_read_2"):
        assert row["status"] == "unrecognised" and row["reason"].startswith("not_a_statement_of_need"), row


def test_an_interpreter_who_was_needed_and_did_not_come_was_needed():
    present = index("interpreter_required", "from_interpreter_present")
    assert [present[value]["code"] for value in "12345"] == ["required"] * 3 + ["not_required", "required"]
    assert present["X"]["status"] == "not_known"
    out = index("interpreter_required", "to_interpreter_present", "code")
    assert (out["required"]["value"], out["not_required"]["value"]) == ("", "4")
    said = index("interpreter_required", "from_fhir_boolean")
    assert (said["true"]["code"], said["false"]["code"]) == ("required", "not_required")


def test_needing_a_reader_is_not_having_one():
    row = index("is_read_to", "from_snomed_ct")["985021000000106"]
    assert row["code"] == "needs_reader"
    assert index("information_format", "from_snomed_ct")["985021000000106"]["code"] == "read_out"
    assert "from_snomed_ct" not in maps("can_read_letters")


# ------------------------------------------------------------------------------------------------ accessible information


@pytest.mark.parametrize("system", ACCESSIBLE)
def test_every_code_of_a_category_is_agreed_only_with_a_concept(system):
    out = index(system, "to_snomed_ct", "code")
    for row in table(system, "codes"):
        if row["kind"] == "category" and row["status"] == "agreed":
            assert out[row["code"]]["value"], row
    assert index(system, "codes", "code")["none_needed"]["kind"] == "category"


def test_the_four_categories_hold_every_concept_of_the_standard():
    expected = {
        "information_format": 18,
        "contact_method": 9,
        "communication_professional": 14,
        "communication_support": 20,
    }
    for system, n in expected.items():
        rows_of = [row for row in table(system, "from_snomed_ct") if row["source"].startswith("Accessible Information")]
        assert len(rows_of) == n, system


def test_two_concepts_that_differ_in_one_digit_are_two():
    support = index("communication_support", "from_snomed_ct")
    assert (support["415803005"]["code"], support["415805003"]["code"]) == ("bsl", "makaton")
    languages = index("language", "from_snomed_ct")
    assert (languages["415803005"]["code"], languages["415805003"]["code"]) == ("bfi", "qmk")


def test_a_signed_interpreter_is_a_professional_and_a_need():
    professionals = index("communication_professional", "from_snomed_ct")
    needs = index("interpreter_required", "from_snomed_ct")
    for value, row in professionals.items():
        assert ("interpreter" in row["term"]) == (value in needs), row


def test_size_and_grade_are_never_guessed():
    sent = index("information_format", "from_written_communication_format")
    assert [sent[value]["code"] for value in ("11", "12", "13")] == ["large_print", "braille", "audio_tape"]
    kinds = {row["code"]: row["kind"] for row in table("information_format", "codes")}
    assert kinds["large_print"] == kinds["braille"] == kinds["audio"] == "group"
    typed = {row["value"].casefold(): row["code"] for row in table("information_format", "from_communication_text")}
    assert (typed["large print"], typed["20 point"], typed["braille"]) == ("large_print", "large_print_20", "braille")
    assert typed["grade 1 braille"] == "braille_grade_1" and typed["easy read"] == "easy_read"


@pytest.mark.parametrize(
    ("system", "typed", "code"),
    [
        ("information_format", "BSL", "bsl_video"),
        ("information_format", "email", "email"),
        ("contact_method", "text", "text_message"),
        ("contact_method", "Email", "email"),
        ("contact_method", "next of kin", ""),
        ("communication_professional", "BSL interpreter", "bsl_interpreter"),
        ("communication_professional", "interpreter", ""),
        ("communication_professional", "deafblind", "deafblind_professional"),
        ("communication_support", "lip reads", "lip_reading"),
        ("communication_support", "hearing aid", "hearing_aid"),
        ("communication_support", "large print", ""),
    ],
)
def test_what_a_charity_types(system, typed, code):
    said = {row["value"].casefold(): row for row in table(system, "from_communication_text")}
    assert said[typed.casefold()]["code"] == code


# ------------------------------------------------------------------------------------------------ carers

NOT_A_CARER = re.compile(
    r"next of kin|\bNOK\b|telephone|e-?mail|details|contact person|parental|occupation|regular care provider|"
    r"paid care|care worker|care assistant|guardian|has a carer",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", maps("is_carer"))
def test_no_paid_work_no_kinship_and_no_contact_detail_makes_a_carer(name):
    for row in table("is_carer", name):
        if NOT_A_CARER.search(row["term"]) and "unpaid" not in row["term"].casefold():
            assert row["status"] == "unrecognised" and not row["code"], row
            assert re.match(
                r"next_of_kin|contact_details|parental_responsibility|paid_work|other_item|contested", row["reason"]
            ), row


def test_next_of_kin_and_the_contested_occupation_are_listed_and_set_nothing():
    giving = index("is_carer", "from_snomed_ct")
    assert giving["184142008"]["reason"].startswith("next_of_kin")
    assert giving["229774002"]["reason"].startswith("contested: ")
    assert index("is_carer", "from_ctv3")["Ub1ju"]["reason"].startswith("contested: ")
    for value in ("184142008", "229774002", "70862002", "702470005", "184140000", "408400006"):
        assert (giving[value]["status"], giving[value]["code"]) == ("unrecognised", ""), value
    # Two identifiers in circulation are damaged: they are nowhere.
    for _, name, row in every_row(*NAMES):
        assert row["value"] not in ("184156008", "302767009"), name


@pytest.mark.parametrize("name", maps("is_carer"))
def test_not_a_carer_and_no_longer_a_carer_are_answers(name):
    for row in table("is_carer", name):
        if re.search(r"\bnot a carer\b|no longer|former carer|does not give", row["term"], re.IGNORECASE):
            assert (row["code"], row["status"]) == ("not_carer", "known"), row


def test_what_only_implies_a_carer_says_so():
    giving = table("is_carer", "from_snomed_ct")
    implied = [row for row in giving if re.search(r"allowance|health check|assessment", row["term"], re.IGNORECASE)]
    assert len(implied) >= 8
    for row in implied:
        assert (row["code"], row["relation"]) == ("carer", "broad") and row["reason"].startswith("implied: "), row


def test_giving_care_and_being_cared_for_are_two_facts():
    assert not set(index("is_carer", "from_snomed_ct")) & set(index("has_carer", "from_snomed_ct"))
    typed = {row["value"].casefold(): row for row in table("is_carer", "from_yes_no_text")}
    assert typed["has a carer"]["code"] == "" and typed["paid carer"]["reason"].startswith("paid_work")
    received = {row["value"].casefold(): row for row in table("has_carer", "from_yes_no_text")}
    assert received["is a carer"]["code"] == "" and received["care home"]["reason"].startswith("paid_work")
    client = index("is_carer", "from_social_care_client_type")
    assert client["Service User"]["status"] == "not_known"
    assert client["Carer"]["code"] == client["Carer known by association"]["code"] == "carer"


def test_support_not_available_is_not_having_no_carer():
    received = index("has_carer", "from_carer_support_indicator")
    assert (received["01"]["code"], received["02"]["code"]) == ("has_carer", "support_not_available")
    for _, name, row in every_row("has_carer"):
        if row["value"] == "02":
            assert row["code"] != "has_no_carer", name
    out = index("has_carer", "to_carer_support_indicator", "code")
    assert out["has_no_carer"]["value"] == "" and out["support_not_available"]["value"] == "02"
    social = index("has_carer", "from_social_care_yes_no")
    assert [(social[v]["code"], social[v]["status"]) for v in ("Yes", "No", "Unknown")] == [
        ("has_carer", "known"),
        ("has_no_carer", "known"),
        ("", "not_known"),
    ]


@pytest.mark.parametrize("system", ["interpreter_required", "can_read_letters", "is_read_to", *NAMES[8:]])
def test_yes_and_no_round_trip(system):
    out = index(system, "to_yes_no", "code")
    sent = table(system, "from_yes_no")
    assert [row["value"] for row in sent] == ["Y", "N", "Z", "X"]
    assert [row["status"] for row in sent] == ["known", "known", "not_stated", "not_known"]
    for row in sent:
        assert out[row["code"] or row["status"]]["value"] == row["value"], row


def test_consent_is_never_taken_from_silence():
    shared = table("may_share_with_carer", "from_yes_no_text")
    given = {row["value"].casefold() for row in shared if row["code"] == "consent_given"}
    assert not given & {"", "n/a", "not asked", "unknown", "some", "discuss first", "no carer"}
    assert {row["code"] for row in table("may_share_with_carer", "codes") if row["kind"] == "category"} == {
        "consent_given",
        "consent_refused",
    }


def test_a_young_carer_is_a_carer_too():
    assert index("is_young_carer", "from_read_2")["EMISNQIS11"]["code"] == "young_carer"
    assert index("is_carer", "from_read_2")["EMISNQIS11"]["code"] == "carer"
