"""A child that does not outlive its parent, and does not take more than it may."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_POLL_RDHUP = getattr(select, "POLLRDHUP", 0)


def die_with_parent(connection: int) -> None:
    """Kill this process's whole group when the other end of ``connection`` (a socket's descriptor) is gone.

    On Linux the kernel also kills this process when the thread that started it ends. The process must lead its group.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(connection,), name="parent", daemon=True).start()


def limit_memory(limit: int | None) -> None:
    """Let allocations beyond ``limit`` bytes of address space fail with MemoryError; None sets no limit."""
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def end_group() -> None:
    """Kill this process and those that it started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _watch(connection: int) -> None:
    poller = select.poll()
    poller.register(connection, _POLL_RDHUP)
    while True:
        for _, event in poller.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL | _POLL_RDHUP):
                end_group()
