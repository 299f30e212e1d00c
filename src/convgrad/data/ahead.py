"""Reading while something else computes: results of several threads, in the order of what was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(tasks: Iterable[T], read: Callable[[T], R], threads: int) -> Iterator[R]:
    """`read(task)` of each task, in order; each thread is at most one task ahead of what was taken.

    What a task gives depends on nothing but the task, so that it is the same with any number of threads. An error
    comes where its result would have come. Closing the iterator ends the reading.

    Example:
        >>> list(read_ahead(range(5), lambda number: number**2, threads=3))
        [0, 1, 4, 9, 16]
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="convgrad-data") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(read, task))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
