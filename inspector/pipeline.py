"""Work done on many items by several threads, in chunks, the results handed out in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a waiting thread looks up, in seconds: on Windows Ctrl-C is answered as fast.
_GLANCE = 0.1
# Chunks under way or done and not yet fetched, for each thread: enough that none waits for a slow reader.
_AHEAD = 3


def in_order(
    items: Iterable[Item],
    work: Callable[[Sequence[Item]], Sequence[Result]],
    *,
    chunk: int,
    workers: int,
    stop: Callable[[], None],
) -> Iterator[Result]:
    """Work through items in chunks, several at a time; yield the results in the order of the items.

    Items are taken when they are needed, so that there may be endlessly many.

    Args:
        items: What to work on.
        work: Gives the results of one chunk; called in several threads at once.
        chunk: How many items at a time.
        workers: How many threads.
        stop: Called when the caller stops early or something fails, to cut short what is under way.

    Yields:
        What `work` gave. What it raises is raised here.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="inspector-work")
    waiting: deque[Future[Sequence[Result]]] = deque()
    finished = False
    try:
        while True:
            while len(waiting) < workers * _AHEAD and (part := list(islice(source, chunk))):
                waiting.append(pool.submit(work, part))
            if not waiting:
                finished = True
                return
            yield from _result(waiting.popleft())
    finally:
        if not finished:
            stop()
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many cores this process may use."""
    # Only some systems let a process be bound to cores.
    bound = getattr(os, "sched_getaffinity", None)
    return len(bound(0)) if bound else os.cpu_count() or 1


def _result(future: Future[Sequence[Result]]) -> Sequence[Result]:
    while True:
        try:
            return future.result(_GLANCE)
        except NotYetError:
            if future.done():
                return future.result()
