"""New scorecards -> a webhook and e-mail, through Airflow's own notifiers. Off unless somebody names where to.

SCORECARD_WEBHOOK names an Airflow connection of type http; its path is called with a POST. SCORECARD_EMAIL holds the
addresses, separated by commas; the connection `smtp_default` says through which server and from whom. What is sent is
which submission has a new page and what became of the delivery: no figure, and nobody's values.

Promise: a message that cannot be sent is in the task's log, and nothing else suffers.
"""

import json
import os
from typing import Any

WEBHOOK, EMAIL = "SCORECARD_WEBHOOK", "SCORECARD_EMAIL"


def scorecards_ready(context: Any) -> None:
    """For `on_success_callback` of the task that makes scorecards, which returns under `told` the submissions it made new
    pages for. Each channel that is named hears of them once."""
    told = _told(context)
    failed = []
    for notifier in notifiers(told) if told else []:
        try:
            notifier(context)
        except Exception as error:  # noqa: BLE001  one channel's trouble is not the other's
            failed.append(f"{type(notifier).__name__} ({type(error).__name__})")
    if failed:
        raise RuntimeError(f"scorecards were made, and not announced by {', '.join(failed)}")


def notifiers(told: list[dict[str, str]]) -> list[Any]:
    """The notifiers that are switched on, with their message. They are imported only then: it takes a while."""
    made: list[Any] = []
    if connection := os.environ.get(WEBHOOK):
        from airflow.providers.http.notifications.http import HttpNotifier

        headers = {"Content-Type": "application/json"}
        made.append(HttpNotifier(http_conn_id=connection, data=json.dumps({"scorecards": told}), headers=headers))
    if addresses := [address.strip() for address in os.environ.get(EMAIL, "").split(",") if address.strip()]:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        lines = "".join(f"<li>{item['submission']}: {item['outcome']}; {item['page']}</li>" for item in told)
        words = "<p>New scorecards. Open each page where the service keeps it:</p>"
        subject = f"{len(told)} new scorecard{'' if len(told) == 1 else 's'}"
        made.append(
            SmtpNotifier(
                to=addresses, subject=subject, html_content=f"{words}<ul>{lines}</ul>", smtp_conn_id="smtp_default"
            )
        )
    return made


def _told(context: Any) -> list[dict[str, str]]:
    """What the task made, as the message says it: submission, outcome, page."""
    from transforms.feedback import read_scorecard
    from transforms.lake import Lake, Submission

    if not (os.environ.get(WEBHOOK) or os.environ.get(EMAIL)):
        return []
    instance, lake, found = context["ti"], Lake.from_environment(), []
    returned = instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index) or {}
    for name in returned.get("told", []):
        submission = Submission.parse(name)
        folder = lake.path("provider", submission.provider, submission.period)
        deliveries = read_scorecard(folder).get("deliveries") or [{}]
        page = f"provider/{submission.provider}/{submission.period}/index.html"
        found.append({"submission": name, "outcome": deliveries[-1].get("outcome", ""), "page": page})
    return found
