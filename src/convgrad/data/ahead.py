"""Reading while something else computes: results of several threads, in the order of what was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


MOST_AHEAD = 1 << 28
"""Bytes that are read ahead: fewer threads, or fewer examples at a time, where they are large."""


def rows_at_once(most: int, size: int, threads: int) -> int:
    """How many examples of `size` bytes are read at a time, at most `most`, so that all threads together find room.

    >>> rows_at_once(256, 4 * 28 * 28, threads=2), rows_at_once(256, 4 * 1024 * 1024 * 3, threads=2)
    (256, 7)
    """
    return max(1, min(most, MOST_AHEAD // (size * (threads + 1))))


def threads_at_once(most: int, size: int) -> int:
    """How many threads, at most `most`, read batches of `size` bytes, each of them one ahead."""
    return max(1, min(most, MOST_AHEAD // max(1, size) - 1))


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
