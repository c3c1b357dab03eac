"""Child processes: kept alive, ended together, and never outliving who started them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from treadle.app.processes import Child, alone
from treadle.app.settings import settings
from treadle.app.supervisor import Supervisor, answers, only_one
from treadle.domain.deployments import Route, RoutingTable, ServedModel, ServedVersion
from treadle.domain.errors import Conflict, InvalidInput
from treadle.storage.routing import FileRouting

SLEEPER = """
import sys, time
from treadle.app.processes import die_with_parent
die_with_parent()
print("up", flush=True)
time.sleep(60)
"""
STARTER = """
import sys, time
from pathlib import Path
from treadle.app.processes import Child
child = Child("c", [sys.executable, "-c", {sleeper!r}], Path({log!r}))
child.start()
while "up" not in child.tail():
    time.sleep(0.02)
print(child.process.pid, flush=True)
time.sleep(60)
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(happens: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = STARTER.format(sleeper=SLEEPER, log=str(tmp_path / "log"))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert lives(child)
    parent.kill()
    parent.communicate()
    until(lambda: not lives(child))


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    env = {**os.environ, "TREADLE_PARENT": "999999999"}
    done = subprocess.run([sys.executable, "-c", SLEEPER], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "supervisor is gone" in done.stderr


def test_a_process_that_was_started_by_hand_lives_on(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TREADLE_PARENT"}
    code = "from treadle.app.processes import die_with_parent; die_with_parent()"
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_a_child_that_is_killed_is_started_again_after_a_wait(tmp_path: Path) -> None:
    child = Child("c", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    child.start()
    first = child.process
    assert first is not None
    first.send_signal(signal.SIGKILL)
    first.wait()
    child.tend()
    assert child.process is None
    until(lambda: (child.tend(), child.process is not None)[1])
    assert child.process is not None
    assert child.process.pid != first.pid
    child.end()
    assert child.process.poll() is not None


def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """A full disk has no room for its log."""
    (tmp_path / "logs").write_text("in the way")
    child = Child("c", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "logs" / "c.log")
    child.tend()
    assert child.process is None
    assert child.retry_at > time.monotonic()
    (tmp_path / "logs").unlink()
    until(lambda: (child.tend(), child.process is not None)[1])
    child.end()


def test_a_supervisor_outlives_a_routing_table_that_cannot_be_read(tmp_path: Path) -> None:
    where = settings(tmp_path)
    (tmp_path / "routing.json").write_text("{")
    supervisor = Supervisor(where)
    tender = threading.Thread(target=supervisor.run)
    tender.start()
    spec = '{"name": "m"}'
    version = ServedVersion(
        1, "python", "d", 0.5, worker_socket=str(tmp_path / "w1.sock"), interpreter=sys.executable,
        code_folder=str(tmp_path), code_entry="m.py", model_path=str(tmp_path / "m.pkl"),
    )  # fmt: skip
    served = ServedModel("m", "binary", None, None, None, {}, (), spec, (Route(1, 100.0),), (version,))
    try:
        time.sleep(0.3)
        assert tender.is_alive()
        FileRouting(tmp_path).publish(RoutingTable(1, (served,)))
        until((tmp_path / "logs" / "worker-w1.log").exists)
    finally:
        supervisor.stop()
        tender.join()
        supervisor.close()


def test_what_answers_nonsense_is_not_ready() -> None:
    """On a port of the range for clients, a connection to nobody may meet itself and read what it has written."""

    def echo(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, args=[listener])
        thread.start()
        assert not answers(f"http://127.0.0.1:{listener.getsockname()[1]}/health")
        thread.join()


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        f"import time; from pathlib import Path; from treadle.app.processes import alone\n"
        f"with alone(Path({str(tmp_path / 'lock')!r})): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Conflict, match="another process holds"), alone(tmp_path / "lock"):
        pass
    holder.kill()
    with alone(tmp_path / "lock", patience=20):
        pass
    holder.communicate()


def test_one_server_a_home(tmp_path: Path) -> None:
    with only_one(tmp_path / "home"), pytest.raises(Conflict, match="a server already runs on"):  # noqa: SIM117
        with only_one(tmp_path / "home"):
            pass


def test_a_home_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be written to: File exists") as told, only_one(tmp_path / "file"):
        pass
    assert "--home" in told.value.hint
