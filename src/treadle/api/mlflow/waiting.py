"""Work that must not hold up the event loop: changes are awaited, reads are done in a thread."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from treadle.ports.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")


async def written(change: Future[T]) -> T:
    """What a change gives once it is stored; raises what it raised."""
    return change.result() if change.done() else await asyncio.wrap_future(change)


async def read(work: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    """What a reading of the store gives. The loop's own threads do it: they cost a third of anyio's."""
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(work, *values, **named))


def millis(clock: Clock) -> int:
    """Now, in milliseconds since 1970."""
    return round(clock.now().timestamp() * 1000)
