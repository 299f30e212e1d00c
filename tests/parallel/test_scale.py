"""What is counted is what is sent, and the model's times are those that can be worked out by hand."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.parallel.exchange import Exchange
from convgrad.parallel.route import PIECE, Route, Sizes
from convgrad.parallel.scale import (
    ENOUGH,
    EVENLY,
    Computing,
    Costs,
    Link,
    Outlook,
    Work,
    bandwidth_from,
    predicted,
    seconds_from,
)
from convgrad.parallel.tree import Growing, added_up

FREE = Costs(share=1.0, message=0.0, byte=0.0)
GIGABIT = Link(1e9, 1e-3)
SIZES = Sizes(numbers=50_003, itemsize=4, told=5)
TOLD = 3


class Request:
    """Of a message that is sent or received. test: whether it has come."""

    def __init__(self, test: Any):
        self.Test = test


class Mailboxes:
    """Messages between the ranks of one process; those of one sender with one tag arrive in order."""

    def __init__(self, size: int):
        self.size, self.lock = size, threading.Lock()
        self.boxes: dict[Any, deque[Any]] = defaultdict(deque)
        self.bytes, self.messages = [0] * size, [0] * size
        self.longest = 0

    def at(self, rank: int) -> Any:
        outer = self

        class Comm:
            size = outer.size

            def __init__(self) -> None:
                self.rank = rank
                self.wanted: dict[Any, deque[Any]] = defaultdict(deque)

            def Isend(self, array: Any, to: int, tag: int) -> Request:
                with outer.lock:
                    outer.bytes[rank] += array.nbytes
                    outer.messages[rank] += 1
                    outer.longest = max(outer.longest, array.nbytes)
                    outer.boxes[rank, to, tag].append(array.copy())
                return Request(lambda: True)

            def Irecv(self, into: Any, source: int, tag: int) -> Request:
                waiting = self.wanted[source, tag]
                waiting.append(into)

                def test() -> bool:
                    if not any(one is into for one in waiting):
                        return True
                    with outer.lock:
                        while waiting and outer.boxes[source, rank, tag]:
                            waiting.popleft()[...] = outer.boxes[source, rank, tag].popleft()
                    return not any(one is into for one in waiting)

                return Request(test)

        return Comm()


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, "a message that is waited for was never sent"
        time.sleep(1e-4)


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.parallel.route.BUCKET", 12_000)


@pytest.mark.usefixtures("small_buckets")
@pytest.mark.parametrize("ranks", [2, 3, 5, 8])
def test_an_exchange_sends_what_its_route_says(ranks: int) -> None:
    """All ranks get the bits of one process, and each has sent the bytes and messages that are counted, whether they
    hear of a shard's numbers bit by bit or at its end.
    """
    shards, rng = 8, np.random.default_rng(ranks)
    numbers = rng.normal(size=(shards, SIZES.numbers)).astype(np.float32)
    alone = np.empty(SIZES.numbers, np.float32)
    added_up(shards, {(n, n + 1): row.copy() for n, row in enumerate(numbers)}, alone)
    mail = Mailboxes(ranks)
    route = Route(shards, ranks, Sizes(SIZES.numbers, 4, TOLD))
    found: dict[int, Any] = {}

    def rank(number: int) -> None:
        growing = Growing(shards, SIZES.numbers, np.float32)
        exchange = Exchange(mail.at(number), growing, TOLD, until, 0)
        exchange.begin()
        own = np.empty(SIZES.numbers, np.float32)
        for shard in route.shards[number]:
            own[...] = np.nan  # what is not there yet
            for count in range(0, SIZES.numbers, 7001) if number % 2 else ():
                own[:count] = numbers[shard][:count]
                exchange.early(shard)(own, count)
            own[...] = numbers[shard]
            exchange.take(shard, own)
        told = np.array([[shard] * TOLD for shard in route.shards[number]], float)
        found[number] = exchange.finish(told, number == 1)

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(ranks))
    for total, told, stopping in found.values():
        assert total.tobytes() == alone.tobytes()
        assert told[:, 0].tolist() == list(range(shards))
        assert stopping
    step = predicted(route, Work(1.0, 0.0, 1.0), GIGABIT)
    assert len(route.buckets) > 1
    assert max(mail.bytes) == step.sent
    assert list(zip(mail.messages, mail.bytes, strict=True)) == [*map(route.traffic, range(ranks))]
    assert mail.longest <= PIECE


def test_two_ranks_need_the_bandwidth_twice_and_the_latency_twice() -> None:
    sizes = Sizes(numbers=1_000_000, itemsize=4, told=0)
    step = predicted(Route(2, 2, sizes), Work(0.01, 0.002, 1.0), GIGABIT, FREE)
    assert step.computing == pytest.approx(0.012)
    assert step.sent == 4_000_000 + 8  # half of the sums, half of the totals, and whether to stop
    assert step.exchange == pytest.approx(step.sent * 8e-9 + 2e-3)
    costs = Costs(share=0.5, message=1e-4, byte=1e-9)
    messages = 2 * 32 + 1  # 2 MB in pieces of 64 kB at most, each way
    dearer = predicted(Route(2, 2, sizes), Work(0.01, 0.002, 1.0), GIGABIT, costs)
    assert dearer.exchange == pytest.approx(step.sent * 16e-9 + 2e-3)  # the cable hides what a processor does
    busy = predicted(Route(2, 2, sizes), Work(0.01, 0.002, 1.0), GIGABIT, replace(costs, byte=30e-9))
    assert busy.exchange == pytest.approx(step.sent * 30e-9 + messages * 1e-4 + 2e-3)  # or is hidden by it


def test_sums_that_are_there_early_travel_while_others_are_computed() -> None:
    """Of 8 shards on 3 ranks a rank sends two sums; with slow shards only the last one is waited for."""
    sizes = Sizes(numbers=3_000_000, itemsize=4, told=0)
    long, short = (predicted(Route(8, 3, sizes), Work(shard, 0.0, 1.0), Link(1e9, 0.0), FREE) for shard in (10.0, 1e-6))
    part = sizes.numbers / 3 * 4 * 8e-9  # seconds of a third of the numbers
    assert short.exchange == pytest.approx((4 + 2) * part, rel=1e-3)  # rank 0 gets four sums of its part
    assert long.exchange == pytest.approx((2 + 2) * part, rel=1e-3)


def test_what_is_there_early_in_a_shard_travels_while_the_rest_is_computed() -> None:
    """All numbers are there after half of a shard of 40 ms, or three quarters of them; the rest at its end. Sums and
    totals of 1,000,000 numbers need 16 ms each way on two ranks, so what is early is hidden, but for the last bucket of
    what is not, of 16.
    """
    sizes, link = Sizes(numbers=1_000_000, itemsize=4, told=0), Link(1e9, 0.0)
    end, half, most = (
        predicted(Route(2, 2, sizes), Work(0.04, 0.0, 1.0, final), link, FREE).exchange
        for final in ((), ((0.5, 1.0),), ((0.1, 0.75), (1.0, 1.0)))
    )
    assert end == pytest.approx(0.032, rel=1e-4)
    assert half == pytest.approx(0.012, rel=1e-4)  # 32 - 20
    assert most == pytest.approx(0.008, rel=1e-4)
    busy = replace(FREE, byte=30e-9)  # a processor that computes can't handle messages meanwhile
    never = predicted(Route(2, 2, sizes), Work(0.04, 0.0, 1.0, ((0.5, 1.0),)), link, busy)
    assert never.exchange == pytest.approx(never.sent * 30e-9)


def test_where_nothing_is_timed_gradients_come_evenly() -> None:
    assert Computing(1e-4, 1e-5, 1e-4, 1.0).work(8).final == EVENLY
    assert EVENLY[0][0] > 1 / 3
    assert EVENLY[-1] == pytest.approx((1.0, 1.0))


def test_fewer_processors_make_a_rank_slower() -> None:
    work = Work(0.01, 0.002, 2.0)
    assert work.on(0.5) == Work(0.04, 0.008, 0.5)
    costs = Costs(share=1.0, message=1e-2, byte=0.0)  # so much that the cable is hidden
    whole, quarter = (predicted(Route(8, 8, SIZES), replace(work, cores=n), GIGABIT, costs) for n in (1.0, 0.25))
    messages = 7 * 3
    assert quarter.exchange - whole.exchange == pytest.approx(3 * messages * 1e-2)


def outlook(**other: Any) -> Outlook:
    given = {"shards": 8, "sizes": SIZES, "computing": Computing(1e-4, 1e-5, 1e-4, 1.0), "cores": 1.0, "link": GIGABIT}
    return Outlook(**{**given, **other})


def test_the_best_batch_is_the_smallest_that_is_good_enough() -> None:
    plan = outlook()
    best = plan.best_batch(8)
    assert best is not None
    assert plan.efficiency(8, best) >= ENOUGH > plan.efficiency(8, best // 2)
    assert plan.efficiency(1, best) == 1
    assert outlook(link=Link(1e6, 1e-3)).best_batch(8) is None


def test_what_an_outlook_refuses() -> None:
    with pytest.raises(TrainingError, match="9 ranks can't share 8 shards of a batch: 1 would have nothing to do"):
        outlook().step(9, 64)
    with pytest.raises(TrainingError, match="A batch of 7 can't be cut into 8 shards"):
        outlook().step(2, 7)


@pytest.mark.parametrize("text", ["10", "10GB", "Gb", "-1Gb", "0Gb", "1.2.3Gb", "10 parsecs"])
def test_what_is_no_bandwidth(text: str) -> None:
    with pytest.raises(TrainingError, match="is no bandwidth; write 10Gb, 25GbE or 100Mb") as raised:
        bandwidth_from(text)
    assert ("A byte (B) has 8 bits" in str(raised.value)) == text.endswith("GB")


@pytest.mark.parametrize("text", ["50", "us", "-1ms", "5 minutes"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(TrainingError, match=r"is no time; write it with its unit: 50us, 0\.2ms"):
        seconds_from(text)
