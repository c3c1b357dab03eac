"""What every ``ports.Artifacts`` promises."""
# ruff: noqa: S101

from __future__ import annotations

from pathlib import Path

import pytest

from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.ports.artifacts import Artifacts, Upload
from treadle.testing.contracts.base import together

LARGE = bytes(range(256)) * 20_000
UNSAFE = (
    "../x",
    "a/../../x",
    "a/..",
    "/etc/passwd",
    "//etc/passwd",
    "C:/x",
    "c:x",
    "a\\..\\x",
    "..\\x",
    "a\x00b",
    "a\nb",
    "a#b",
    "%2e%2e/x",
    "%252e%252e%252fx",
    "a/%2e%2e%2fx",
    "%2fetc/passwd",
    "a%5cb",
    "a%00b",
    "file:///etc/passwd",
    "http://host/x",
    "a/" + "b" * 256,
    "/".join(["deep"] * 1000),
    "\udcff",
)
"""Paths that no backend may take."""


class ArtifactsContract:
    """Override :meth:`make`."""

    def make(self, folder: Path) -> Artifacts:
        """A new, empty store; ``folder`` is the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> Artifacts:
        """The store of one test."""
        return self.make(tmp_path / "artifacts")

    @pytest.mark.parametrize("data", [b"", b"one", LARGE], ids=["empty", "small", "large"])
    def test_bytes_come_back(self, artifacts: Artifacts, data: bytes) -> None:
        """What was written is read, in parts too."""
        put(artifacts, "1/run/artifacts/model/data.bin", data)
        reading = artifacts.open("1/run/artifacts/model/data.bin")
        assert reading.file.size == len(data)
        assert b"".join(iter(lambda: reading.read(65_536), b"")) == data
        reading.seek(2)
        assert reading.read(5) == data[2:7]
        reading.close()
        assert artifacts.stat("1/run/artifacts/model/data.bin").size == len(data)

    def test_nothing_is_seen_before_the_commit(self, artifacts: Artifacts) -> None:
        """Neither the file nor its folder, and an abandoned one leaves nothing."""
        upload = artifacts.create("a/b/c")
        upload.write(b"part")
        assert artifacts.list("") == ()
        upload.abandon()
        assert artifacts.list("") == ()
        with pytest.raises(NotFound):
            artifacts.stat("a/b/c")

    def test_a_folder_lists_what_lies_right_in_it(self, artifacts: Artifacts) -> None:
        """By name, folders too, with paths from the root; names that need quoting stay as they are."""
        for path in ("r/b.txt", "r/a/x", "r/a/y/z", "r/50% of it?.txt", "r/ä b", "s/x"):
            put(artifacts, path, b"12")
        found = [(file.path, file.folder, file.size) for file in artifacts.list("r")]
        assert found == [
            ("r/50% of it?.txt", False, 2),
            ("r/a", True, 0),
            ("r/b.txt", False, 2),
            ("r/ä b", False, 2),
        ]
        assert [file.path for file in artifacts.list("/".join(["r", "", "a", "."]))] == ["r/a/x", "r/a/y"]
        assert [file.path for file in artifacts.list("")] == ["r", "s"]
        assert artifacts.list("r/b.txt") == artifacts.list("nothing") == artifacts.list("r/b.txt/x") == ()
        assert artifacts.stat("r/a").folder
        assert artifacts.stat("").folder

    def test_writing_again_replaces(self, artifacts: Artifacts) -> None:
        """The last commit stands; who reads meanwhile reads what was there."""
        put(artifacts, "a", LARGE)
        reading = artifacts.open("a")
        put(artifacts, "a", b"new")
        assert b"".join(iter(lambda: reading.read(1 << 20), b"")) == LARGE
        reading.close()
        assert got(artifacts, "a") == b"new"

    def test_folders_and_files_do_not_mix(self, artifacts: Artifacts) -> None:
        """A file neither takes a folder's place nor holds files, whenever that is found out."""
        late_file, late_below = artifacts.create("a"), artifacts.create("b/c")
        put(artifacts, "a/b", b"1")
        put(artifacts, "b", b"1")
        for path in ("a", "a/b/c", "b/c"):
            with pytest.raises(Conflict):
                artifacts.create(path)
            with pytest.raises(Conflict):
                artifacts.start(path)
        for late in (late_file, late_below):
            late.write(b"2")
            with pytest.raises(Conflict):
                late.commit()
            late.abandon()
        with pytest.raises(InvalidInput):
            artifacts.open("a")
        with pytest.raises(NotFound):
            artifacts.open("a/b/c")

    def test_what_is_deleted_is_gone(self, artifacts: Artifacts) -> None:
        """A file, or a folder with all in it; folders that are empty then are gone too."""
        for path in ("r/a/x", "r/a/y/z", "r/ab", "s/only"):
            put(artifacts, path, b"12")
        artifacts.delete("r/a")
        artifacts.delete("r/a")
        artifacts.delete("r/ab/not/there")
        artifacts.delete("s/only")
        assert [file.path for file in artifacts.list("r")] == ["r/ab"]
        assert [file.path for file in artifacts.list("")] == ["r"]
        with pytest.raises(InvalidInput):
            artifacts.delete("")
        put(artifacts, "r/a", b"a file now")

    def test_usage_counts_files_and_bytes(self, artifacts: Artifacts) -> None:
        """Of a folder, however deep; nothing for what is not there."""
        for path in ("r/a/x", "r/a/y/z", "r/ab", "s/x"):
            put(artifacts, path, b"12")
        assert artifacts.usage("r") == (3, 6)
        assert artifacts.usage("r/ab") == (1, 2)
        assert artifacts.usage("") == (4, 8)
        assert artifacts.usage("nothing") == (0, 0)

    def test_parts_are_joined_by_number(self, artifacts: Artifacts) -> None:
        """In whatever order they come; the last one of a number stands; before that nothing is seen."""
        upload = artifacts.start("m/big")
        other = artifacts.start("m/big")
        assert upload != other
        for number, data in ((10, b"ten"), (2, b"wrong"), (1, LARGE), (2, b"two")):
            written(artifacts.part(upload, number), data)
        assert artifacts.list("") == ()
        artifacts.complete(upload, "m/big", (10, 1, 2))
        assert got(artifacts, "m/big") == LARGE + b"two" + b"ten"
        with pytest.raises(NotFound):
            artifacts.complete(upload, "m/big", (1,))
        with pytest.raises(NotFound):
            artifacts.part(upload, 1)
        artifacts.abort(upload, "m/big")
        artifacts.abort(other, "m/big")
        assert got(artifacts, "m/big") == LARGE + b"two" + b"ten"

    def test_a_wrong_completion_is_refused_and_may_be_mended(self, artifacts: Artifacts) -> None:
        """Missing and doubled parts, none, and another path."""
        upload = artifacts.start("m/big")
        written(artifacts.part(upload, 1), b"one")
        for numbers in ((), (1, 1), (1, 2)):
            with pytest.raises(InvalidInput):
                artifacts.complete(upload, "m/big", numbers)
        with pytest.raises(InvalidInput):
            artifacts.complete(upload, "m/other", (1,))
        with pytest.raises(InvalidInput):
            artifacts.abort(upload, "m/other")
        for number in (0, -1, 10_001):
            with pytest.raises(InvalidInput):
                artifacts.part(upload, number)
        artifacts.complete(upload, "m/big", (1,))
        assert got(artifacts, "m/big") == b"one"

    @pytest.mark.parametrize("upload", ["", "..", "../../files", "0" * 31, "/etc", "0" * 31 + "/", "G" * 32])
    def test_upload_ids_are_no_paths(self, artifacts: Artifacts, upload: str) -> None:
        """Nothing but an id as it is given out is taken."""
        with pytest.raises(InvalidInput):
            artifacts.part(upload, 1)
        with pytest.raises(InvalidInput):
            artifacts.complete(upload, "a", (1,))
        with pytest.raises(InvalidInput):
            artifacts.abort(upload, "a")

    def test_sweeping_forgets_uploads(self, artifacts: Artifacts) -> None:
        """Old ones only; what was committed stays."""
        put(artifacts, "a", b"1")
        upload = artifacts.start("m/big")
        written(artifacts.part(upload, 1), b"one")
        assert artifacts.sweep(3600) == 0
        assert artifacts.sweep(0) == 1
        with pytest.raises(NotFound):
            artifacts.part(upload, 2)
        assert got(artifacts, "a") == b"1"

    @pytest.mark.parametrize("path", UNSAFE)
    def test_unsafe_paths_are_refused(self, artifacts: Artifacts, path: str) -> None:
        """By every method, before anything is done."""
        put(artifacts, "a/b", b"1")
        for method in (
            artifacts.list,
            artifacts.stat,
            artifacts.open,
            artifacts.create,
            artifacts.delete,
            artifacts.usage,
            artifacts.start,
        ):
            with pytest.raises(InvalidInput):
                method(path)
        assert artifacts.usage("") == (1, 1)

    def test_threads_may_write_and_remove_side_by_side(self, artifacts: Artifacts) -> None:
        """Each file is whole or not there, and no writer fails because a neighbour is removed."""

        def work(number: int) -> None:
            for turn in range(20):
                put(artifacts, f"r/{number}/x", b"%d" % turn)
                assert got(artifacts, f"r/{number}/x") == b"%d" % turn
                if number % 2:
                    artifacts.delete(f"r/{number}")

        assert together(8, work) == [None] * 8
        assert [file.path for file in artifacts.list("r")] == ["r/0", "r/2", "r/4", "r/6"]

    def test_threads_may_write_one_path(self, artifacts: Artifacts) -> None:
        """One of them stands, whole."""
        assert together(8, lambda number: put(artifacts, "a/b", bytes([number]) * 100_000)) == [None] * 8
        data = got(artifacts, "a/b")
        assert len(data) == 100_000
        assert len(set(data)) == 1


def written(upload: Upload, data: bytes) -> None:
    """Write and commit."""
    try:
        upload.write(data)
        upload.commit()
    finally:
        upload.abandon()


def put(artifacts: Artifacts, path: str, data: bytes) -> None:
    """Write a file."""
    written(artifacts.create(path), data)


def got(artifacts: Artifacts, path: str) -> bytes:
    """A file's bytes."""
    reading = artifacts.open(path)
    try:
        return b"".join(iter(lambda: reading.read(1 << 20), b""))
    finally:
        reading.close()
