"""A release -> what follows from it: every provider beside its history and peers, and the pages that tell of that.

Promise: never makes a release and writes nothing into the ledger, so that nothing becomes due by it; a crash leaves it to
be done again, and where nothing has changed nothing is done.
"""

from transforms import fingerprint, ledger, release
from transforms.arrivals import read_state
from transforms.compare import compare, mark, results, stale
from transforms.disk import stop_if_full
from transforms.lake import Lake, Submission, write_text
from transforms.observe import observed
from transforms.publish import release_fingerprint
from transforms.standard import Standard
from transforms.work import STAGES, StageCrashed


def follow(standard: Standard, lake: Lake) -> dict[str, dict[str, int]]:
    """Compare, then make the pages again that would now say something else. Returns the counts of both."""
    return {"compare": compare(standard, lake), "scorecards": refresh(standard, lake)}


@observed("scorecards")
def refresh(standard: Standard, lake: Lake) -> dict[str, int]:
    """The page of each provider's newest submission, and of every other one that was compared, made again where what it
    tells has changed. Returns counts.

    One that is busy is left for the next time; StageCrashed names at the end those that failed for a fault of ours.
    """
    counts = {"pages": 0, "busy": 0}
    now, crashed = _told_now(lake), []
    newest = {s.provider: s for s in sorted(read_state(lake).arrivals)}
    # A layout that was not sent again has its newest file, and what is said of it, in an earlier submission.
    judged = {Submission(provider, row["period"]) for provider in newest for row in results(lake, provider)}
    for submission in sorted(judged.union(newest.values())):
        try:
            counts["pages"] += STAGES["feedback"](submission, standard, lake).get("pages", 0)
        except ledger.Busy:
            counts["busy"] += 1
        except Exception as error:  # noqa: BLE001  our fault, whatever it is, must not stop the neighbours
            stop_if_full(error, lake)
            crashed.append(f"{submission} ({type(error).__name__})")
    if crashed:
        raise StageCrashed(f"scorecards failed for {', '.join(crashed)}")
    if not counts["busy"]:
        write_text(lake.path("compared", "told"), now)
    return counts


def is_followed(standard: Standard, lake: Lake) -> bool:
    """Whether all that follows from the current release is done; also while the release is behind, whose turn is first."""
    made = release.current_manifest(lake).get("fingerprint")
    if made is None or made != release_fingerprint(standard, lake):
        return True
    told = lake.path("compared", "told")
    is_told = told.exists() and told.read_text(encoding="utf-8") == _told_now(lake)
    return is_told and not stale(standard, lake)


def _told_now(lake: Lake) -> str:
    """What the pages can tell of: the release, whose figures they show, and the results of every provider compared."""
    providers = sorted(path.stem for path in lake.path("compared", "rule_result").glob("*.parquet"))
    return fingerprint.of(release.current_number(lake), [(provider, mark(lake, provider)) for provider in providers])
