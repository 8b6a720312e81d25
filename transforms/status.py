"""Where everything stands, for a person and for a program: counts and codes, never a value."""

import os
from collections import Counter
from typing import Any

from transforms import compare, release, rollback
from transforms.arrivals import State, read_state
from transforms.confine import lacks
from transforms.finished import READY, overtaken, waiting
from transforms.lake import Lake, Submission
from transforms.objecting import to_check
from transforms.objection_state import REFUSED, permitted_now
from transforms.objection_state import read_state as read_objections
from transforms.objections import overtaken as overtaken_lists
from transforms.objections import waiting as waiting_lists
from transforms.receive import repeatable
from transforms.standard import Standard
from transforms.work import pending, waits_for_person


def summary(standard: Standard, lake: Lake) -> dict[str, Any]:
    """Counts and lists: landing, submissions by state, refusals, faults of ours, silence, the release, comparisons."""
    lake.prepare()
    state = read_state(lake)
    todo = set(pending(standard, lake))
    return {
        "waiting_in_landing": len(waiting(lake, state.drops)),
        "unfinished_in_landing": unfinished(lake),
        "newer_than_ready": newer_than_ready(standard, lake, state),
        "submissions": [_one(standard, state, submission, todo) for submission in sorted(state.arrivals)],
        "refused_at_the_door": [
            {key: entry.get(key, "") for key in ("at", "provider", "period", "reason", "detail")}
            | {"words": standard.words(entry["reason"])["words"]}
            for entry in state.refused
            if entry["event"] == "rejected"
        ],
        "never_sent": sorted(set(standard.providers) - {s.provider for s in state.arrivals}),
        "release": release.current_number(lake),
        "open_kept_because": release.current_manifest(lake).get("open_kept_because", ""),
        "is_rolled_back_to": (rollback.held(lake) or {}).get("rolled_back_to"),
        "compared": len(list(lake.path("compared", "rule_result").glob("*.parquet"))),
        "to_be_compared": compare.stale(standard, lake) if release.current_number(lake) else [],
        "objections": objections(standard, lake),
        "encrypted_volume": _encryption(lake),
        "reading_lacks": lacks(),
    }


def objections(standard: Standard, lake: Lake) -> dict[str, Any]:
    """Lists of people who object: in force, refused, waiting; the national check; marts that were withdrawn."""
    state, words = read_objections(lake), standard.settings["objections"]["answers"]
    refused = {name: entry["reason"] for name, entry in state.newest.items() if entry["what"] == REFUSED}
    return {
        "lists": {name: {"received_on": entry["at"][:10], "n_objections": entry["n_objections"], "n_bad": entry["n_bad"]}
                  for name, entry in sorted(state.lists.items())},
        "refused_lists": {name: words[reason]["what"] for name, reason in sorted(refused.items())},
        "waiting": len(waiting_lists(lake, state)),
        "newer_than_ready": overtaken_lists(lake, state),
        "permitted_until": state.permitted.get("expires_on", ""),
        "is_permitted_now": permitted_now(state),
        "to_check": sorted({submission for _, _, submission in to_check(standard, lake)}),
        "withdrawn": sorted(number for number in state.withdrawn if number == release.current_number(lake)),
    }  # fmt: skip


def unfinished(lake: Lake) -> int:
    """Landing folders with files and no _READY: an upload under way, or forgotten."""
    folders = [f for f in lake.path("landing").glob("*/*/*") if f.is_dir()]
    return sum(1 for f in folders if not (f / READY).exists() and any(f.iterdir()))


def newer_than_ready(standard: Standard, lake: Lake, state: State) -> list[dict[str, Any]]:
    """Deliveries that are not taken in because files in them are newer than _READY: provider, period, hours since the last
    change."""
    found = []
    for folder, seconds in overtaken(lake, state.drops):
        provider, period = repeatable(standard, folder.parent.parent.name.upper(), folder.parent.name)
        found.append({"provider": provider, "period": period, "hours": round(seconds / 3600, 1)})
    return found


def _one(standard: Standard, state: State, submission: Submission, todo: set[str]) -> dict[str, Any]:
    arrivals = state.arrivals[submission]
    last = arrivals[-1]
    if waits_for_person(state, submission):
        where = "waits for a person"
    elif state.crashed.get(submission):
        where = "failed, will be tried again"
    elif last.outcome is None:
        where = "waiting to be judged"
    elif str(submission) in todo:
        where = "to be run again"
    else:
        where = last.outcome
    words = standard.words(last.reason)["words"] if last.reason else ""
    crash = state.crashed.get(submission, [{}])[-1]
    return {
        "submission": str(submission),
        "arrivals": len(arrivals),
        "state": where,
        "in_force": sorted(state.current(submission)),
        "reason": last.reason,
        "words": words,
        "detail": last.detail or " ".join(str(crash.get(key, "")) for key in ("stage", "error", "ours")).strip(),
    }


def _encryption(lake: Lake) -> str:
    """What the operating system says of the volume under the lake; "unknown" where it says nothing."""
    device = lake.root.stat().st_dev
    try:
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/dm/uuid", encoding="ascii") as handle:
            return "yes" if handle.read().startswith("CRYPT-") else "no"
    except OSError:
        return "no sign of encryption"


def report(facts: dict[str, Any]) -> str:
    """The same as plain text, what needs somebody first."""
    lines = []
    counted = Counter(item["state"] for item in facts["submissions"])
    if facts["waiting_in_landing"]:
        lines.append(f"{facts['waiting_in_landing']} deliveries wait in landing")
    if facts["unfinished_in_landing"]:
        lines.append(f"{facts['unfinished_in_landing']} deliveries have no _READY yet")
    for item in facts["newer_than_ready"]:
        since = f"nothing has changed for {item['hours']} hours" if item["hours"] >= 0.1 else "an upload may go on"
        lines.append(f"  {item['provider']}/{item['period']}: files are newer than _READY: send _READY again ({since})")
    lines.append("submissions: " + (", ".join(f"{n} {state}" for state, n in sorted(counted.items())) or "none yet"))
    for item in facts["submissions"]:
        if item["state"] != "accepted":
            said = " · ".join(part for part in (item["words"], item["detail"]) if part)
            lines.append(f"  {item['submission']}: {item['state']}" + (f" ({said})" if said else ""))
    for item in facts["refused_at_the_door"]:
        said = " · ".join(part for part in (item["words"], item["detail"]) if part)
        lines.append(f"  {item['provider']}/{item['period']}: refused at the door ({said})")
    if facts["never_sent"]:
        lines.append(f"never sent anything: {', '.join(facts['never_sent'])}")
    lines.append(f"release: {facts['release'] or 'none yet'}")
    if facts["is_rolled_back_to"]:
        lines[-1] += (
            f", which is {facts['is_rolled_back_to']} again; nothing newer is published until: python -m transforms publish"
        )
    if facts["open_kept_because"]:
        lines.append(f"the open area is as it was: {facts['open_kept_because']}")
    stale = facts["to_be_compared"]
    behind = f"; {len(stale)} out of date ({', '.join(stale[:5])}{' …' if stale[5:] else ''})" if stale else ""
    lines.append(f"compared with history and peers: {facts['compared'] or 'none yet'}{behind}")
    lines += _objection_lines(facts["objections"])
    lines.append(f"encrypted volume: {facts['encrypted_volume']}")
    lacking = "; ".join(facts["reading_lacks"])
    lines.append(f"files are read confined: {f'not as to {lacking}' if lacking else 'yes'}")
    return "\n".join(lines)


def objections_report(standard: Standard, lake: Lake) -> str:
    """What `objections` prints: the same lines as in `status`."""
    return "\n".join(_objection_lines(objections(standard, lake)))


def _objection_lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    if facts["waiting"]:
        lines.append(f"{facts['waiting']} lists of objections wait")
    if n := facts["newer_than_ready"]:
        lines.append(
            f"{n} list{'s' * (n > 1)} of objections wait{'s' * (n == 1)} for {'its' if n == 1 else 'their'} _READY to be sent again"
        )
    for name, words in facts["refused_lists"].items():
        lines.append(f"  the newest list of {name} was refused: {words}")
    n_objections = sum(entry["n_objections"] for entry in facts["lists"].values())
    lines.append(f"objections: {n_objections} in {len(facts['lists'])} lists" if facts["lists"] else "objections: none")
    for name, entry in facts["lists"].items():
        if entry["n_bad"]:
            lines.append(f"  {name}: {entry['n_bad']} rows could not be read; its former list stays in force too")
    if facts["to_check"]:
        listed = facts["to_check"]
        until = f"a permitted list counts until {facts['permitted_until']}" if facts["is_permitted_now"] else (
            f"the permitted list ended on {facts['permitted_until']}" if facts["permitted_until"] else "there is no permitted list"
        )  # fmt: skip
        who = "people who are not on it are left out" if facts["is_permitted_now"] else "their people are left out"
        some = f"{', '.join(listed[:5])}{' …' if listed[5:] else ''}"
        lines.append(f"national opt-out: to be checked for {len(listed)} submissions ({some}); {until}: {who}")
    if facts["withdrawn"]:
        lines.append("the protected mart of the current release was withdrawn for an objection: publish makes it again")
    return lines
