"""A child that does not outlive its parent, and does not take more than it may."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import sys
import threading

_POLL_RDHUP = getattr(select, "POLLRDHUP", 0)


def die_with_parent(lifeline: int) -> None:
    """Kill this process's whole group, which it must lead, when the other end of ``lifeline`` is closed.

    ``lifeline`` is one end of a socket pair over which nothing is ever sent; the parent holds the other end. On Linux
    the kernel does it, whatever the process is busy with; elsewhere a thread does, when the interpreter lets it run.
    """
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def limit_memory(limit: int | None) -> None:
    """Let allocations beyond ``limit`` bytes of address space fail with MemoryError; None sets no limit."""
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def end_group() -> None:
    """Kill this process and those that it started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _watch(lifeline: int) -> None:
    poller = select.poll()
    poller.register(lifeline, _POLL_RDHUP)
    while True:
        for _, event in poller.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL | _POLL_RDHUP):
                end_group()
