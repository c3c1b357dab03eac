"""Settings that come from the environment."""

from treadle.app.settings import settings


def test_the_database_is_a_file_in_the_home_unless_another_is_given(tmp_path, monkeypatch):
    monkeypatch.delenv("TREADLE_DATABASE", raising=False)
    assert settings(tmp_path).database_url == f"sqlite:///{tmp_path / 'treadle.db'}"
    monkeypatch.setenv("TREADLE_DATABASE", "postgresql://ada@db/treadle")
    assert settings(tmp_path).database_url == "postgresql://ada@db/treadle"
