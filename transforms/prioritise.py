"""Rules with what they cost -> the things to do now: few, different, and none before the one that causes it.

Promise: what rejected the delivery comes first, then what the index would gain most from and what is broken most; a rule on
trial, one of ours and rows that another rule explains are never asked for.
"""

from collections.abc import Iterable

from transforms.scorecard import Facts

FELT = 0.05  # points of the index: what the page would print as 0.0 is no effect
FEW = 5  # so many rows are looked up one by one, whatever share they are
NEARLY_ALL = 0.2  # where a rule fails for more than this share of its rows, look at the column and not at the rows


NOTHING: Facts = {"failed": 0, "checked": 0, "effect": 0.0, "places": [], "settles": [], "has_rows": False, "where": ""}


def things_to_do(facts: Facts, most: int, unmet_points: dict[str, float] | None = None) -> list[Facts]:
    """The things to do now, for a page: what kept the newest delivery out, files that are missing, and what rows ask for.

    Each has a `kind`: delivery, files or rows. `facts` are those of gather, after issues.write_issues.
    """
    for rule in facts["rules"]:
        rule["is_nearly_all"] = is_nearly_all(rule)
    newest = facts["newest"]
    listed = prioritise(facts["rules"], most, unmet_points)
    things = [{**thing, "kind": "rows", "where": ""} for thing in listed]
    if newest["outcome"] == "rejected":
        if not facts["broken_guards"]:
            said = {
                "what_to_do": newest["what_to_do"] or newest["words"],
                "why": newest["words"],
                "where": newest["detail"],
            }
            things.insert(0, {**NOTHING, **said, "kind": "delivery"})
    elif missing := _missing(facts):
        above = [thing for thing in things if thing["effect"] >= max(FELT, missing["effect"])]
        things.insert(len(above), missing)
    return things[:most]


def _missing(facts: Facts) -> Facts | None:
    """To send the files that were expected and never came, with what the index would gain."""
    told = [one for one in facts["measures"] if one["measure"] == "coverage" and one["layout"] in facts["layouts"]]
    lacking = [one for one in told if one["numerator"] < one["denominator"]]
    if not lacking:
        return None
    index = facts["index"]
    return {
        **NOTHING,
        "kind": "files",
        "what_to_do": "Send the files that never came.",
        "why": "People whose month is missing are counted nowhere.",
        "where": [{**one, "title": facts["layouts"][one["layout"]]} for one in lacking],
        "failed": sum(one["denominator"] - one["numerator"] for one in lacking),
        "checked": sum(one["denominator"] for one in told),
        "effect": 0.0 if index["value"] is None else 100 * index["mean_score"] - index["value"],
    }


def prioritise(rules: list[Facts], most: int, unmet_points: dict[str, float] | None = None) -> list[Facts]:
    """The first `most` things to do, each {"what_to_do", "why", "failed", "checked", "effect", "is_met", "places", "settles"}.

    A rule is a fact of scorecard.rule_facts with `effect` (points of the index), `n_caused` (failing rows that are the
    consequence of a rule in `follows`) and `lines`. What several layouts are asked in the same words is one thing to do;
    its places are those rules. `settles`: what goes away with it, in words. `unmet_points`: severity -> how many points of
    the index a rule that is not met is taken to be worth for each unit of its weight; the index does not feel all that is wrong.
    """
    # A guard that rejected the delivery says more than the rule whose rows it counts: that one need not be said again.
    said = {(rule["layout"], name) for rule in rules if rule["rejected_all"] for name in rule["follows"]}
    asked = [rule for rule in rules if is_asked(rule) and (rule["layout"], rule["rule"]) not in said]
    chosen: list[list[Facts]] = []
    taken: set[str] = set()

    def take(rule: Facts, waiting: tuple[str, ...] = ()) -> None:
        words = rule["what_to_do"]
        if words in taken or words in waiting or len(chosen) == most:
            return
        same = [other for other in asked if other["what_to_do"] == words]
        for cause in _causes(same, asked):
            take(cause, (*waiting, words))
        if len(chosen) < most:
            taken.add(words)
            chosen.append(same)

    worth = {}
    for words in {rule["what_to_do"] for rule in asked}:
        same = [rule for rule in asked if rule["what_to_do"] == words]
        worth[words] = sum(rule["effect"] for rule in same)
        unmet = [(unmet_points or {}).get(rule["severity"], 0) * rule["weight"] for rule in same if not rule["is_met"]]
        worth[words] += max(unmet, default=0.0)
    for rule in sorted(asked, key=lambda rule: _cost(rule | {"effect": worth[rule["what_to_do"]]})):
        take(rule)
    return [_thing(same, rules) for same in chosen]


def is_asked(rule: Facts) -> bool:
    """Whether somebody who sends data can do something about it, and it is about more than what another rule explains."""
    is_own = rule["weight"] and rule["failed"] > rule["n_caused"]
    return bool(rule["is_theirs"] and rule["failed"] and (is_own or rule["rejected_all"]))


def is_nearly_all(rule: Facts) -> bool:
    """Whether so many rows break it that no single one is worth looking up."""
    return rule["failed"] > max(FEW, NEARLY_ALL * rule["checked"])


def _causes(same: list[Facts], asked: list[Facts]) -> Iterable[Facts]:
    """What is asked of the same files and explains some of the rows."""
    followed = [
        (rule["layout"], name)
        for rule in same
        if rule["n_caused"] and not rule["rejected_all"]
        for name in rule["follows"]
    ]
    return [other for key in followed for other in asked if (other["layout"], other["rule"]) == key]


def _cost(rule: Facts) -> tuple:
    """Sorts to the top what rejected the delivery, then what costs the index most, then what breaks most."""
    felt = rule["effect"] if rule["effect"] >= FELT else 0.0
    return not rule["rejected_all"], -felt, rule["is_met"], -rule["weight"], rule["layout"], rule["rule"]


def _thing(same: list[Facts], rules: list[Facts]) -> Facts:
    same = sorted(same, key=_cost)
    keys = {(rule["layout"], rule["rule"]) for rule in same}
    settles = {
        other["what_to_do"]: other
        for other in rules
        if other["n_caused"] and {(other["layout"], name) for name in other["follows"]} & keys
    }
    return {
        "what_to_do": same[0]["what_to_do"],
        "why": next((rule["why"] for rule in same if rule["why"]), ""),
        "failed": sum(rule["failed"] for rule in same),
        "checked": sum(rule["checked"] for rule in same),
        "effect": sum(rule["effect"] for rule in same),
        "is_met": all(rule["is_met"] for rule in same),
        "rejected_all": any(rule["rejected_all"] for rule in same),
        "has_rows": any(rule["has_rows"] for rule in same),
        "places": same,
        "settles": [{"what": words, "n_rows": rule["n_caused"]} for words, rule in settles.items()],
    }
