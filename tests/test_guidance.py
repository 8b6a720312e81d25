"""Guidance: checked against the codes, in plain words, for each setting, and enough to know what to record."""

import dataclasses
import re
import shutil

import pytest

from tests.conftest import ROOT
from transforms import guidance
from transforms.faults import Reader

HOW_TO_ASK = ("ethnicity", "language", "carers", "disability", "identity", "home", "health")
# What somebody who has only the pages must be able to look up.
EXAMPLES = [
    "somali-woman-own-words", "jewish-man", "roma-child-2001-list", "only-asian", "only-british", "person-declines-ethnicity",
    "nobody-asked", "young-carer", "paid-care-worker", "next-of-kin", "mirpuri-speaker", "bsl-user", "cannot-read-letters",
]  # fmt: skip


@pytest.fixture(scope="module")
def read(standard):
    reader = Reader(standard.folder.parent)
    found = guidance.topics(reader, standard)
    assert not reader.found, "\n".join(map(str, reader.found))
    return {topic["topic"]: guidance.plain(topic) for topic in found}


@pytest.fixture(scope="module")
def examples(read):
    return {example["id"]: example for topic in read.values() for example in topic["examples"]}


def test_there_is_guidance_for_every_code_system(standard, read):
    assert tuple(read) == HOW_TO_ASK
    covered = {system for topic in read.values() for system in topic["about"]}
    assert covered == {row["system"] for row in standard.codes}


def test_every_topic_says_how_to_ask_and_record_in_each_setting(read):
    for topic in read.values():
        assert set(topic["settings"]) == {"hospital", "gp", "social_care", "charity"}
        assert all(setting["ask"] and setting["record"] for setting in topic["settings"].values())
        assert topic["never"] and topic["ask"]


def test_a_question_of_somebody_else_has_its_source_and_ours_says_that_it_is_ours(read):
    for topic in read.values():
        for question in topic["questions"]:
            assert question["source"]
            assert bool(question.get("words")) != bool(question.get("is_ours")), question["title"]


def test_heritage_labels_are_never_offered_as_answers(standard, read):
    ours = {row["label"] for row in standard.classifications if row["classification"] == "heritage"}
    national = {row["label"].split(": ")[-1] for row in standard.classifications if row["classification"] != "heritage"}
    offered = {
        choice
        for question in read["ethnicity"]["questions"]
        for part in question["options"]
        for choice in part["choices"]
    }
    assert len(offered) == 19 and not offered & (ours - national)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_that_people_need_are_there(examples, name):
    example = examples[name]
    assert example["record"] and example["do"] and example["because"]


def recorded(examples, name):
    return [(row["characteristic"], row["code"], row.get("detail")) for row in examples[name]["record"]]


def test_an_example_says_what_the_standard_decides(examples):
    assert recorded(examples, "somali-woman-own-words") == [("ethnic_category", "african", "somali")]
    assert recorded(examples, "only-asian") == [("ethnic_category", "group_asian", None)]
    assert recorded(examples, "only-british") == [("ethnic_category", "unrecognised", None)]
    assert recorded(examples, "paid-care-worker")[0] == ("is_carer", "not_known", None), "nobody asked him"
    assert recorded(examples, "nobody-asked") == [("ethnic_category", "not_known", None)]
    assert ("is_young_carer", "young_carer", None) in recorded(examples, "young-carer")
    sent = {(row["vocabulary"], row["value"], row["code"]) for row in examples["roma-child-2001-list"]["sent"]}
    assert ("national_2001", "C", "any_other_c") in sent, "the list of 2001 cannot say Roma"


def test_an_example_says_for_each_characteristic_what_to_write_where_you_are(examples):
    for name, example in examples.items():
        wanted = {row["characteristic"] for row in example["record"]}
        for setting in ("hospital", "gp", "charity"):
            written = {row["characteristic"] for row in example.get("sent", ()) if row["in"] == setting}
            assert written <= wanted
            assert written == wanted or example.get("elsewhere", {}).get(setting), (name, setting)


def test_what_the_small_file_says_to_write_is_read_by_it(standard, examples):
    read = {entry["field"]: entry.get("vocabulary", []) for entry in standard.layouts["small_csv"].columns}
    for name, example in examples.items():
        for row in example.get("sent", ()):
            assert row["in"] != "charity" or row["vocabulary"] in read[row["characteristic"]], name


# A wrong example is refused.


@pytest.fixture
def copied(tmp_path):
    for name in ("standards", "expectations"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("code: african, detail: somali}", "code: africann, detail: somali}", "code 'africann' is not in ethnic_category/codes.csv"),
        ("detail: somali}", "detail: somalli}", "detail 'somalli' is not in ethnic_category/details.csv"),
        ("value: Z, code: not_stated", "value: A, code: not_stated", "value 'A' becomes british and not not_stated"),
        ("value: Z, code: not_stated", "value: ZZZ, code: not_stated", "value 'ZZZ' is not in ethnic_category/from_national_2001.csv"),
        ("  charity:\n    ask", "  shop:\n    ask", "setting 'shop' is not in publication.yml"),
        ("about: [ethnic_category]", "about: [ethnic_categori]", "code system 'ethnic_categori' is not known"),
        ("    elsewhere:\n      hospital:", "    elsewhere:\n      shop:", "setting 'shop' is not in publication.yml"),
        ("because: A refusal", "becos: A refusal", "key 'becos' is not known"),
    ],
)  # fmt: skip
def test_a_wrong_example_is_refused_with_file_and_line(standard, copied, old, new, said):
    path = copied / "standards" / "guidance" / "ethnicity.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    reader = Reader(copied)
    guidance.topics(reader, dataclasses.replace(standard, folder=copied / "standards"))
    assert any(said in fault.what for fault in reader.found), reader.found
    assert all(re.match(r"standards/guidance/ethnicity\.yml:\d+$", fault.where) for fault in reader.found)


# Plain words: a reading age of about 12.


def syllables(word: str) -> int:
    word = re.sub(r"[^a-z]", "", word.lower())
    found = len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[^aeiouyl])e$|(?<=[^td])ed$|(?<=[^szxc])es$", "", word)))
    return max(1, found)


def words_for_people(topic):
    yield topic["why"]
    yield from (*topic["ask"], *topic["never"])
    for setting in topic["settings"].values():
        yield from (*setting["ask"], *setting["record"])
    for example in topic["examples"]:
        yield from (example["who"], example["do"], example["because"], *example.get("elsewhere", {}).values())


def grade(texts) -> float:
    """Flesch-Kincaid: school years; a British reader of 12 is in year 7, that is grade 6."""
    text = " ".join(text if text.rstrip().endswith((".", "?", "!")) else f"{text}." for text in texts)
    sentences = [part for part in re.split(r"[.!?]+[\"”]?\s+", text) if re.search(r"[a-z]", part)]
    words = re.findall(r"[A-Za-z'’-]+", text)
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


@pytest.mark.parametrize("name", HOW_TO_ASK)
def test_guidance_can_be_read_at_twelve(read, name):
    assert grade(words_for_people(read[name])) <= 6.5
