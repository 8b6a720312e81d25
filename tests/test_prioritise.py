"""The things to do now: few, different, causes before what follows from them, nothing that nobody can mend."""

from transforms.prioritise import FELT, is_nearly_all, prioritise, things_to_do


def rule(name, **facts):
    """A rule that 50 of 1,000 records break, unless facts say otherwise."""
    usual = {
        "rule": name,
        "layout": "one",
        "column": "",
        "what_to_do": f"Mend {name}.",
        "why": "",
        "checked": 1000,
        "failed": 50,
    }
    usual |= {
        "severity": "warning",
        "is_theirs": True,
        "weight": 1.0,
        "effect": 1.0,
        "is_met": False,
        "rejected_all": False,
        "n_caused": 0,
    }
    return usual | {"follows": [], "has_rows": True, "number": 1} | facts


def asked(*rules, most=3):
    return [thing["what_to_do"].split()[1].rstrip(".") for thing in prioritise(list(rules), most)]


def test_what_gains_most_is_first_and_there_are_never_more_than_asked_for():
    assert asked(rule("a", effect=1), rule("b", effect=3), rule("c", effect=2), rule("d", effect=0.5)) == [
        "b",
        "c",
        "a",
    ]
    assert asked() == []


def test_a_rule_without_effect_stands_after_those_with_one_unless_it_rejected_the_delivery():
    rules = [rule("a", effect=0, weight=9), rule("b", effect=FELT), rule("c", effect=0, rejected_all=True)]
    assert asked(*rules) == ["c", "b", "a"]


def test_trial_rules_rules_of_ours_and_rules_that_nobody_breaks_are_not_asked_for():
    assert asked(rule("a", weight=0), rule("b", is_theirs=False), rule("c", failed=0)) == []


def test_what_another_rule_explains_wholly_is_settled_with_it():
    [thing] = prioritise([rule("cause"), rule("effect", follows=["cause"], n_caused=50, effect=9)], 3)
    assert thing["what_to_do"] == "Mend cause." and thing["settles"] == [{"what": "Mend effect.", "n_rows": 50}]


def test_a_cause_stands_before_what_partly_follows_from_it():
    rules = [
        rule("effect", follows=["cause"], n_caused=20, effect=9),
        rule("cause", effect=0, weight=0.1),
        rule("other", effect=5),
    ]
    assert asked(*rules) == ["cause", "effect", "other"]
    assert asked(*rules, most=1) == ["cause"]


def test_rules_that_follow_each_other_end():
    assert asked(rule("a", follows=["b"], n_caused=1), rule("b", follows=["a"], n_caused=1)) == ["b", "a"]


def test_a_guard_says_what_the_rule_whose_rows_it_counts_would_say():
    rules = [
        rule("parses", effect=4),
        rule("guard", follows=["parses"], n_caused=50, rejected_all=True, effect=0),
        rule("other"),
    ]
    assert asked(*rules) == ["guard", "other"]


def test_the_same_words_for_two_files_are_one_thing_to_do():
    here, there = rule("x", effect=1), rule("x", layout="two", effect=1.5)
    [first, second] = prioritise([here, there, rule("y", effect=2)], 3)
    assert first["what_to_do"] == "Mend x." and first["effect"] == 2.5 and first["failed"] == 100
    assert [place["layout"] for place in first["places"]] == ["two", "one"] and second["what_to_do"] == "Mend y."


def test_a_rule_that_more_than_a_fifth_breaks_is_about_the_column():
    assert is_nearly_all(rule("a", failed=201)) and not is_nearly_all(rule("a", failed=200))
    assert not is_nearly_all(rule("a", checked=5, failed=5)), "five rows are looked up one by one"
    assert not is_nearly_all(rule("a", checked=0, failed=0))


def facts(*rules, outcome="accepted", sent=2, guards=()):
    """What the page knows of a delivery whose file was sent in so many of two months."""
    newest = {
        "outcome": outcome,
        "what_to_do": "Mend delivery.",
        "words": "It could not be read",
        "detail": "file 1 of 1",
    }
    covered = {"measure": "coverage", "layout": "one", "numerator": sent, "denominator": 2}
    index = {"value": 90 * sent / 2, "mean_score": 0.9}
    told = {
        "rules": list(rules),
        "newest": newest,
        "broken_guards": list(guards),
        "measures": [covered],
        "index": index,
    }
    return told | {"layouts": {"one": "The file"}}


def kinds(*rules, **about):
    return [(thing["kind"], round(thing["effect"], 3)) for thing in things_to_do(facts(*rules, **about), 3)]


def test_files_that_never_came_are_asked_for_by_what_they_cost():
    assert kinds(rule("a", effect=1), rule("b", effect=0), sent=1) == [("files", 45), ("rows", 1), ("rows", 0)]
    assert kinds(rule("a", effect=60), rule("b", effect=0), sent=1) == [("rows", 60), ("files", 45), ("rows", 0)]
    assert kinds(rule("a"), sent=2) == [("rows", 1)]
    [thing] = things_to_do(facts(sent=1), 3)
    assert (thing["failed"], thing["checked"], thing["where"][0]["title"]) == (1, 2, "The file")


def test_what_kept_the_delivery_out_is_first_and_then_no_other_file_is_missed():
    assert kinds(rule("a", effect=60), outcome="rejected", sent=0) == [("delivery", 0), ("rows", 60)]
    guard = rule("guard", rejected_all=True, effect=0)
    assert kinds(rule("a", effect=60), guard, outcome="rejected", guards=[guard]) == [("rows", 0), ("rows", 60)]
    assert len(kinds(*(rule(name) for name in "abcd"), outcome="rejected", sent=0)) == 3


def test_what_the_index_does_not_feel_leads_where_it_is_broken_more():
    """A default of "not stated" costs the index nothing: the rule is not met, and its weight says how far."""
    felt = rule("patient.ethnic_category.asked", effect=0.8, is_met=True, weight=0.1, what_to_do="Ask people.")
    default = rule("patient.ethnic_category.not_refused", effect=0.0, is_met=False, weight=0.44, what_to_do="Look.")
    assert [thing["what_to_do"] for thing in prioritise([felt, default], 3)] == ["Ask people.", "Look."]
    assert [thing["what_to_do"] for thing in prioritise([felt, default], 3, {"warning": 3.0})] == [
        "Look.",
        "Ask people.",
    ]
    assert prioritise([felt, default], 3, {"critical": 3.0})[0]["what_to_do"] == "Ask people."
    within = default | {"is_met": True}
    assert [thing["what_to_do"] for thing in prioritise([felt, within], 3, {"warning": 3.0})] == [
        "Ask people.",
        "Look.",
    ]
