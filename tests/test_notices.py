"""Scorecards announced through Airflow's own notifiers, to a real web server and a real mail server of the test's own."""

import email
import email.policy
import json

import notices
import pytest

from tests.listeners import connection, mail_server, web_server

TOLD = [{"submission": "ZZ1/2026-09", "outcome": "rejected", "page": "provider/ZZ1/2026-09/index.html"}]


class Instance:
    """What a notifier asks of a task."""

    task_id, map_index = "chunk.feedback", 0

    def __init__(self, told):
        self.told = told

    def xcom_pull(self, task_ids, map_indexes):
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return {"submissions": 1, "told": self.told}


@pytest.fixture
def context(lake):
    """A task that made one page, of a delivery that was rejected."""
    folder = lake.path("provider", "ZZ1", "2026-09")
    folder.mkdir(parents=True)
    (folder / "scorecard.json").write_text(json.dumps({"deliveries": [{"outcome": "rejected"}]}), encoding="utf-8")
    return {"ti": Instance(["ZZ1/2026-09"])}


@pytest.fixture
def webhook(monkeypatch):
    """What a web server was sent that is named by an Airflow connection."""
    with web_server() as (said, heard):
        monkeypatch.setenv("AIRFLOW_CONN_TRUST_PORTAL", said)
        monkeypatch.setenv(notices.WEBHOOK, "trust_portal")
        yield heard


@pytest.fixture
def mailbox(monkeypatch):
    """What a mail server was given."""
    with mail_server() as (said, kept):
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", said)
        monkeypatch.setenv(notices.EMAIL, "quality@zz1.invalid, lead@zz1.invalid")
        yield kept


def test_nothing_is_sent_unless_somebody_asks(context, monkeypatch):
    for name in (notices.WEBHOOK, notices.EMAIL):
        monkeypatch.delenv(name, raising=False)
    assert notices.notifiers(TOLD) == []
    notices.scorecards_ready(context)


def test_a_webhook_hears_which_scorecards_are_new(context, webhook):
    notices.scorecards_ready(context)
    [(path, body)] = webhook
    assert path.startswith("/hook")
    assert json.loads(body) == {"scorecards": TOLD}


def test_a_mailbox_gets_one_message_for_all_addresses(context, mailbox):
    notices.scorecards_ready(context)
    [envelope] = mailbox
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert envelope.rcpt_tos == ["quality@zz1.invalid", "lead@zz1.invalid"]
    assert message["subject"] == "1 new scorecard"
    assert "ZZ1/2026-09: rejected" in message.get_body().get_content()


def test_nothing_new_is_not_announced(context, webhook, mailbox):
    context["ti"].told = []
    notices.scorecards_ready(context)
    assert webhook == [] and mailbox == []


def test_one_channel_out_of_order_does_not_silence_the_other(context, webhook, mailbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_TRUST_PORTAL", connection("http://127.0.0.1:1/hook"))  # nobody listens there
    with pytest.raises(RuntimeError, match="HttpNotifier"):
        notices.scorecards_ready(context)
    assert len(mailbox) == 1
