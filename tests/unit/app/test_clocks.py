from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from treadle.app.clocks import VirtualClock, WallClock, clock_of
from treadle.domain.errors import InvalidInput

MOMENT = datetime(2013, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)


def test_the_wall_clock_is_aware() -> None:
    assert abs(WallClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_virtual_clock_stands_until_it_is_moved(tmp_path: Path) -> None:
    clock = VirtualClock(tmp_path / "clock")
    assert clock.now() == datetime(1970, 1, 1, tzinfo=UTC)
    clock.set(MOMENT)
    assert clock.now() == MOMENT
    clock.set(datetime(2013, 3, 1, 10, 30, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == datetime(2013, 3, 1, 9, 30, tzinfo=UTC)
    clock.set(datetime(1960, 1, 1, tzinfo=UTC))
    assert clock.now().year == 1960
    with pytest.raises(InvalidInput, match="has no zone"):
        clock.set(datetime(2013, 3, 1))
    clock.close()


def test_processes_share_it(tmp_path: Path) -> None:
    clock = VirtualClock(tmp_path / "clock")
    clock.set(MOMENT)
    code = (
        "import sys; from pathlib import Path; from datetime import timedelta\n"
        "from treadle.app.clocks import VirtualClock\n"
        "clock = VirtualClock(Path(sys.argv[1])); print(clock.now().isoformat())\n"
        "clock.set(clock.now() + timedelta(days=1))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "clock")], check=True, capture_output=True, text=True
    ).stdout
    assert datetime.fromisoformat(told.strip()) == MOMENT
    assert clock.now() == MOMENT + timedelta(days=1)
    clock.close()


def test_the_file_decides_which_clock_a_server_has(tmp_path: Path) -> None:
    assert isinstance(clock_of(tmp_path), WallClock)
    VirtualClock(tmp_path / "clock").set(MOMENT)
    assert clock_of(tmp_path).now() == MOMENT


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("noon")
    with pytest.raises(InvalidInput, match="is no clock file"):
        VirtualClock(tmp_path / "clock")
