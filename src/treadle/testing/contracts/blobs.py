"""What every ``ports.Blobs`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from treadle.domain.errors import CorruptData, NotFound
from treadle.ports.blobs import Blobs
from treadle.testing.contracts.base import together

LARGE = bytes(range(256)) * 40_000


class BlobsContract:
    """Override :meth:`make`, and :meth:`tamper` so that corruption can be tried."""

    def make(self, folder: Path) -> Blobs:
        """New, empty blobs; ``folder`` is the test's own."""
        raise NotImplementedError

    def tamper(self, blobs: Blobs, digest: str, data: bytes) -> None:
        """Put other bytes in the place of a blob's, behind the back of ``blobs``."""
        raise NotImplementedError

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        """The blobs of one test."""
        return self.make(tmp_path / "blobs")

    @pytest.mark.parametrize("data", [b"", b"one", LARGE], ids=["empty", "small", "large"])
    def test_bytes_come_back(self, blobs: Blobs, data: bytes) -> None:
        """What was put is got, under the sha256 of it."""
        digest = blobs.put(data)
        assert digest == hashlib.sha256(data).hexdigest()
        assert blobs.get(digest) == data
        assert blobs.has(digest)

    @pytest.mark.parametrize("data", [b"", b"one", LARGE], ids=["empty", "small", "large"])
    def test_files_come_back(self, blobs: Blobs, data: bytes, tmp_path: Path) -> None:
        """A file that was put is fetched, whole."""
        (tmp_path / "in").write_bytes(data)
        digest = blobs.put_file(tmp_path / "in")
        assert digest == blobs.put(data)
        blobs.fetch(digest, tmp_path / "deep" / "out")
        assert (tmp_path / "deep" / "out").read_bytes() == data
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]

    def test_same_bytes_are_one_blob(self, blobs: Blobs, tmp_path: Path) -> None:
        """Writing the same bytes twice changes nothing."""
        (tmp_path / "in").write_bytes(b"same")
        digests = {blobs.put(b"same"), blobs.put(b"same"), blobs.put_file(tmp_path / "in")}
        assert len(digests) == 1
        assert sorted(blobs.digests()) == sorted(digests)

    def test_all_digests_are_listed(self, blobs: Blobs) -> None:
        """And nothing else is."""
        assert list(blobs.digests()) == []
        digests = {blobs.put(str(i).encode()) for i in range(20)}
        assert sorted(blobs.digests()) == sorted(digests)

    def test_a_missing_blob_is_not_found(self, blobs: Blobs, tmp_path: Path) -> None:
        """Getting and fetching raise NotFound; no file appears."""
        missing = "00" * 32
        assert not blobs.has(missing)
        assert blobs.path(missing) is None
        with pytest.raises(NotFound):
            blobs.get(missing)
        with pytest.raises(NotFound):
            blobs.fetch(missing, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_missing_file_is_not_found(self, blobs: Blobs, tmp_path: Path) -> None:
        """Putting a file that is not there raises NotFound."""
        with pytest.raises(NotFound):
            blobs.put_file(tmp_path / "nothing")

    def test_deleted_blobs_are_gone(self, blobs: Blobs) -> None:
        """Deleting twice is no error, and the bytes may come again."""
        digest = blobs.put(b"one")
        blobs.delete(digest)
        blobs.delete(digest)
        assert not blobs.has(digest)
        assert list(blobs.digests()) == []
        assert blobs.get(blobs.put(b"one")) == b"one"

    def test_a_path_has_the_bytes(self, blobs: Blobs) -> None:
        """Where the backend has a local file."""
        path = blobs.path(blobs.put(b"one"))
        assert path is None or path.read_bytes() == b"one"

    def test_corruption_is_noticed(self, blobs: Blobs, tmp_path: Path) -> None:
        """Bytes that do not match their digest are never handed out, and no file appears."""
        digest = blobs.put(LARGE)
        self.tamper(blobs, digest, LARGE[:-1] + b"!")
        with pytest.raises(CorruptData):
            blobs.get(digest)
        with pytest.raises(CorruptData):
            blobs.fetch(digest, tmp_path / "deep" / "out")
        assert list((tmp_path / "deep").glob("*")) == []

    def test_threads_may_put_the_same(self, blobs: Blobs) -> None:
        """Eight at once make one blob."""
        digests = together(8, lambda _: blobs.put(LARGE))
        assert set(digests) == {hashlib.sha256(LARGE).hexdigest()}
        assert blobs.get(str(digests[0])) == LARGE
