"""remember.py: what another process loaded and checked is used again, and only if it is that and is ours."""

import pytest

from transforms import remember, standard


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of its own in which the shipped standard is remembered."""
    monkeypatch.setattr(remember, "FOLDER", tmp_path / "kept")
    standard._load.cache_clear()
    yield standard.load()
    standard._load.cache_clear()


def test_what_is_remembered_is_what_was_loaded(kept, monkeypatch):
    standard._load.cache_clear()
    monkeypatch.setattr(standard, "_read", lambda root, version: pytest.fail("it was read again"))
    again = standard.load()
    assert again is not kept
    assert again == kept


def test_an_edited_standard_and_edited_code_are_read_again(kept, monkeypatch):
    assert remember.recall(kept.version) == kept
    assert remember.recall("another version") is None
    monkeypatch.setattr(remember.fingerprint, "code", lambda *names: "edited")
    assert remember.recall(kept.version) is None


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x05.", b"\x80\x05K\x01."])
def test_a_broken_memory_is_read_again(kept, content):
    path = remember._place(kept.version)
    path.write_bytes(content)
    standard._load.cache_clear()
    assert standard.load() == kept
    assert remember.recall(kept.version) == kept  # and put right


def test_what_others_could_have_written_is_not_opened(kept):
    path = remember._place(kept.version)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o620)
    assert remember.recall(kept.version) is None


def test_only_one_is_kept(kept):
    remember.keep("another version", kept)
    assert [path.name for path in remember.FOLDER.iterdir()] == [remember._place("another version").name]


def test_a_folder_that_cannot_be_written_does_no_harm(kept, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(remember, "FOLDER", tmp_path / "file" / "kept")
    remember.keep(kept.version, kept)
    assert remember.recall(kept.version) is None
