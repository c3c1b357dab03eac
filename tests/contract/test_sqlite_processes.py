"""Several processes on one SQLite file."""

import os
import signal
import subprocess
import sys
import threading
import time

from treadle.storage.sql.store import SqlStore

APPEND = """
import sys
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqlStore(url)
for i in range(count):
    store.events.append(samples.an_event(f"{name}/{i}"), samples.an_event("shared", once=f"shared-{i}"))
    store.events.seal()
store.close()
"""
COUNT = """
import sys
from treadle.storage.sql.store import SqlStore
store = SqlStore(sys.argv[1])
done = 0
while done < int(sys.argv[2]):
    value = store.register.get("count") or "0"
    done += store.register.replace("count", None if value == "0" else value, str(int(value) + 1))
store.close()
"""
FOREVER = """
import sys
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples
store = SqlStore(sys.argv[1])
i = 0
while True:
    store.runs.create(samples.a_run(f"run-{i}"), samples.an_event(f"{i}"))
    store.events.seal()
    print(i, flush=True)
    i += 1
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def ended(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0


def test_processes_that_start_at_once_migrate_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    ended([start(APPEND, url, name, 3) for name in "abc"])
    store = SqlStore(url)
    assert store.events.verify() == 3 * 3 + 3
    store.close()


def test_two_processes_append_and_seal_one_chain(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    store = SqlStore(url)
    processes = [start(APPEND, url, name, 60) for name in "ab"]
    seen, cursor = [], 0
    while any(process.poll() is None for process in processes):
        for sealed in store.events.read(cursor):
            cursor = sealed.position
            seen.append(sealed)
        time.sleep(0.01)
    ended(processes)
    seen += store.events.read(cursor)
    assert [sealed.position for sealed in seen] == list(range(1, 60 * 2 + 60 + 1))
    reasons = [sealed.event.payload.reason for sealed in seen]
    for name in "ab":
        assert [r for r in reasons if r.startswith(name)] == [f"{name}/{i}" for i in range(60)]
    assert reasons.count("shared") == 60
    assert store.events.verify() == 180
    store.close()


def test_two_processes_count_together(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    store = SqlStore(url)
    ended([start(COUNT, url, 50) for _ in range(2)])
    assert store.register.get("count") == "100"
    store.close()


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    process = start(FOREVER, url)
    acknowledged: list[int] = []
    reader = threading.Thread(target=lambda: acknowledged.extend(int(line) for line in process.stdout))
    reader.start()
    while len(acknowledged) < 50:
        time.sleep(0.005)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reader.join()
    process.stdout.close()
    store = SqlStore(url)
    assert store.events.verify() >= len(acknowledged)
    store.events.seal()
    reasons = {sealed.event.payload.reason for sealed in store.events.read(limit=10**6)}
    runs = {run.id for run in store.runs.list(limit=10**6)}
    assert {str(i) for i in acknowledged} <= reasons
    assert {f"run-{reason}" for reason in reasons} == runs
    store.close()
