"""scripts/audit.py: a planted key is found, a package without a hash is found, and what was not looked up is said."""

import json
import string

import pytest
import service_audit

PLANTED = {
    "a key of cloud storage": "AKIA" + string.ascii_uppercase[:16],
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a password": 'PASSWORD = "' + "correct-horse-7" + '"',
    "a password in an address": "postgresql://airflow:" + "correct-horse-7@db:5432/airflow",
}


@pytest.mark.parametrize("words", PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_found_and_not_repeated(tmp_path, words):
    path = tmp_path / "settings.py"
    path.write_text(f"x = 1\n{words}\n")
    found = service_audit.secrets([path])
    assert found and found[0][1] == 2
    assert "correct-horse" not in str(found)


def test_nothing_that_is_committed_looks_like_a_secret_but_what_people_looked_at(capsys):
    assert service_audit.main() == 0
    said = capsys.readouterr().out
    assert "advisories: NOT CHECKED" in said and "passed" not in said


def test_a_secret_that_is_committed_fails_the_check(tmp_path, monkeypatch, capsys):
    path = tmp_path / "settings.py"
    path.write_text(PLANTED["a password"])
    monkeypatch.setattr(service_audit, "committed", lambda: [path])
    assert service_audit.main() == 1
    assert "settings.py:1" in capsys.readouterr().err


def test_what_people_looked_at_holds_hashes_and_no_words():
    known = json.loads(service_audit.SECRETS_KNOWN.read_text())
    assert all(len(digest) == 40 for digests in known.values() for digest in digests)


@pytest.mark.parametrize(
    "line",
    ["left-pad==1.0.0", "left-pad>=1.0 \\\n    --hash=sha256:" + "0" * 64, "git+https://example.invalid/left-pad"],
)
def test_a_package_that_is_not_one_version_with_hashes_is_found(line):
    sound = "duckdb==1.5.5 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert service_audit.lock_faults(sound) == []
    assert len(service_audit.lock_faults(sound + line + "\n")) >= 1
