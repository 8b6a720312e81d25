"""A submission that its provider takes back -> nothing of it counts from then on.

Promise: one line of the ledger says it of every delivery of the submission, so that no earlier one comes into force instead;
what was made of it goes when the submission is run again; what is sent for it afterwards counts as always.
"""

from transforms import ledger
from transforms.arrivals import WITHDRAWN, read_state
from transforms.lake import Lake, Submission, UsageError


def take_back(lake: Lake, submission: Submission, drop_id: str = "", wait: bool = True) -> int:
    """Let no delivery of a submission count, nor any that waits to be judged. Returns how many there were.

    `drop_id`: the landing folder in which the provider says so; an operator has none. Raises UsageError when there is
    nothing to take back, and ledger.Busy while the submission is worked on, unless it may `wait`.
    """
    with ledger.lock(lake, f"submission {submission}", wait=wait):
        state = read_state(lake)
        listed = [arrival for arrival in state.arrivals.get(submission, []) if arrival.outcome in (None, "accepted")]
        if not listed:
            raise UsageError(f"{submission} has no delivery that counts or waits: there is nothing to take back")
        facts = {
            "provider": submission.provider,
            "period": submission.period,
            "submission_no": state.numbers[submission],
        }
        ledger.append(lake, WITHDRAWN, **facts, n_deliveries=len(listed), **({"drop_id": drop_id} if drop_id else {}))
    return len(listed)
