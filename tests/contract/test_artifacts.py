"""Artifacts in memory and on the local disk keep the port's promises."""

from pathlib import Path

import pytest

from treadle.domain.errors import InvalidInput
from treadle.storage.artifacts.local_artifacts import LocalArtifacts
from treadle.testing import contracts, memory
from treadle.testing.contracts.artifacts import put


class TestMemoryArtifacts(contracts.ArtifactsContract):
    def make(self, folder: Path) -> memory.MemoryArtifacts:
        return memory.MemoryArtifacts()


class TestLocalArtifacts(contracts.ArtifactsContract):
    def make(self, folder: Path) -> LocalArtifacts:
        return LocalArtifacts(folder)

    def test_links_that_lead_out_are_not_followed(self, artifacts, tmp_path):
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret" / "key").write_bytes(b"key")
        put(artifacts, "run/a", b"1")
        inside = tmp_path / "artifacts" / "files" / "run"
        (inside / "out").symlink_to(tmp_path / "secret")
        (inside / "key").symlink_to(tmp_path / "secret" / "key")
        (inside / "same").symlink_to(inside / "a")
        for path in ("run/out/key", "run/key", "run/out/new"):
            with pytest.raises(InvalidInput):
                artifacts.open(path)
            with pytest.raises(InvalidInput):
                artifacts.create(path)
        with pytest.raises(InvalidInput):
            artifacts.delete("run/out/key")
        assert [file.path for file in artifacts.list("run")] == ["run/a", "run/same"]
        artifacts.delete("run")
        assert (tmp_path / "secret" / "key").read_bytes() == b"key"

    def test_nothing_is_left_of_what_was_given_up(self, artifacts, tmp_path):
        upload = artifacts.create("a/b")
        upload.write(b"part")
        upload.abandon()
        started = artifacts.start("a/b")
        part = artifacts.part(started, 1)
        part.write(b"1")
        artifacts.abort(started, "a/b")
        part.abandon()
        assert list((tmp_path / "artifacts" / "uploads").iterdir()) == []
        assert list((tmp_path / "artifacts" / "files").iterdir()) == []
