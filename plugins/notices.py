"""New scorecards, and alerts -> a webhook and e-mail, through Airflow's own notifiers. Off unless somebody names where to.

SCORECARD_WEBHOOK names an Airflow connection of type http; its path is called with a POST. SCORECARD_EMAIL holds the
addresses, separated by commas; the connection `smtp_default` says through which server and from whom. What is sent is
which submission has a new page and what became of the delivery: no figure, and nobody's values. ALERT_WEBHOOK and
ALERT_EMAIL are the same for alerts (transforms/alerts.py says of what).

Promise: a message that cannot be sent is in the task's log, and nothing else suffers.
"""

import json
import os
from typing import Any

WEBHOOK, EMAIL = "SCORECARD_WEBHOOK", "SCORECARD_EMAIL"
ALERT_WEBHOOK, ALERT_EMAIL = "ALERT_WEBHOOK", "ALERT_EMAIL"  # the same for alerts, which operators hear and nobody else


def scorecards_ready(context: Any) -> None:
    """For `on_success_callback` of the task that makes scorecards, which returns under `told` the submissions it made new
    pages for. Each channel that is named hears of them once."""
    told = _told(context)
    if failed := send(notifiers(told) if told else [], context):
        raise RuntimeError(f"scorecards were made, and not announced by {', '.join(failed)}")


def send(channels: list[Any], context: Any) -> list[str]:
    """Through each channel, whatever became of the others. Returns those that failed, with the kind of error."""
    failed = []
    for notifier in channels:
        try:
            notifier(context)
        except Exception as error:  # noqa: BLE001  one channel's trouble is not the other's
            failed.append(f"{type(notifier).__name__} ({type(error).__name__})")
    return failed


def alert(context: Any) -> dict[str, int]:
    """Tell what is new of alerts, and what has ended, and enter both in the ledger once one channel has taken them. Returns
    how many; nothing is looked for while no channel is named. RuntimeError names the channels that failed."""
    from transforms import alerts, ledger
    from transforms.lake import Lake
    from transforms.standard import load

    if not (os.environ.get(ALERT_WEBHOOK) or os.environ.get(ALERT_EMAIL)):
        return {"told": 0, "ended": 0}
    lake = Lake.from_environment().prepare()
    with ledger.lock(lake, "alerts", wait=True):
        told, ended = alerts.news(load(), lake)
        channels = alerting(told, ended) if told or ended else []
        failed = send(channels, context)
        if len(failed) < len(channels):
            alerts.record(lake, told, ended)
    if failed:
        raise RuntimeError(f"alerts were not sent by {', '.join(failed)}")
    return {"told": len(told), "ended": len(ended)}


def alerting(told: list[dict[str, str]], ended: list[dict[str, str]]) -> list[Any]:
    """The channels for alerts that are named, with one message for all."""
    lines = [f"{one['kind']}: {one['about']} {one['says']}" for one in told]
    lines += [f"ended: {one['kind']} {one['about']}" for one in ended]
    listed = "".join(f"<li>{line}</li>" for line in lines)
    words = "<p>What needs somebody, and what no longer does:</p>"
    subject = f"{len(told)} new alert{'' if len(told) == 1 else 's'}, {len(ended)} ended"
    body = {"alerts": told, "ended": ended}
    return _channels(
        os.environ.get(ALERT_WEBHOOK), body, os.environ.get(ALERT_EMAIL), subject, f"{words}<ul>{listed}</ul>"
    )


def notifiers(told: list[dict[str, str]]) -> list[Any]:
    """The channels for scorecards that are named, with one message for all."""
    lines = "".join(f"<li>{item['submission']}: {item['outcome']}; {item['page']}</li>" for item in told)
    words = "<p>New scorecards. Open each page where the service keeps it:</p>"
    subject = f"{len(told)} new scorecard{'' if len(told) == 1 else 's'}"
    body = {"scorecards": told}
    return _channels(os.environ.get(WEBHOOK), body, os.environ.get(EMAIL), subject, f"{words}<ul>{lines}</ul>")


def _channels(connection: str | None, body: Any, addresses: str | None, subject: str, words: str) -> list[Any]:
    """The notifiers, which are imported only when there is one: it takes a while."""
    made: list[Any] = []
    if connection:
        from airflow.providers.http.notifications.http import HttpNotifier

        headers = {"Content-Type": "application/json"}
        made.append(HttpNotifier(http_conn_id=connection, data=json.dumps(body), headers=headers))
    if to := [address.strip() for address in (addresses or "").split(",") if address.strip()]:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        made.append(SmtpNotifier(to=to, subject=subject, html_content=words, smtp_conn_id="smtp_default"))
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
