"""engine.py: a database that loads the one extension whose signature was verified, and nothing else."""

import shutil

import duckdb
import pytest

from transforms import engine


@pytest.fixture
def con(lake):
    with engine.connect(lake) as made:
        yield made


def test_what_lies_in_the_lake_is_never_loaded(con, lake):
    planted = lake.root / "planted.duckdb_extension"
    shutil.copy(engine.cipher(), planted)
    with pytest.raises(duckdb.PermissionException, match="disabled through configuration"):
        con.execute(f"load '{planted}'")


def test_nothing_unsigned_may_be_loaded_later(con):
    query = "select value from duckdb_settings() where name = 'allow_unsigned_extensions'"
    assert con.execute(query).fetchone() == ("false",)
    with pytest.raises(duckdb.Error, match="allow_unsigned_extensions"):
        con.execute("set allow_unsigned_extensions = true")


def test_an_extension_with_a_wrong_signature_is_refused(lake, tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    spoiled = bytearray(engine.cipher().read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    (package / "httpfs.duckdb_extension").write_bytes(spoiled)
    monkeypatch.setattr("duckdb_extension_httpfs.__file__", str(package / "__init__.py"))
    engine.cipher.cache_clear()
    try:
        with pytest.raises(duckdb.IOException, match="signature"):
            engine.connect(lake)
    finally:
        engine.cipher.cache_clear()
