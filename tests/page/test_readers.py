"""What an element goes into, on the page: against all that Python says elements were made from, searched through."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.examples import NAMES, load_example
from convgrad.explain import Trace
from convgrad.explain.page.model import page_model
from convgrad.layers import Conv2D, Dense, Flatten, ReLU
from core_support import evaluated
from networks import random_network

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

SMALL = tuple(name for name in NAMES if not name.startswith("lenet"))
ALL = """(text) => {
    const trace = new convgrad.Trace(JSON.parse(text));
    return trace.names.flatMap((name) => {
        const tensor = trace.tensor(name);
        const into = (place) => trace.goesInto(name, tensor.unflat(place));
        return Array.from({ length: tensor.size }, (_, place) => [name, place, into(place)]);
    });
}"""
ONE = """([text, name, index]) => new convgrad.Trace(JSON.parse(text)).goesInto(name, index)"""

Places = dict[tuple[str, int], set[tuple[str, int]]]


def text_of(trace: Trace) -> str:
    """The model that the page gets."""
    return json.dumps(page_model(trace, "network"), allow_nan=False)


def made_from(trace: Trace) -> Places:
    """Element -> the elements that were made from it, by asking every element of the trace."""
    found: Places = defaultdict(set)
    for tensor in trace.values():
        if tensor.definition is None and tensor.shows is None:
            continue
        for flat, element in enumerate(tensor):
            for source in element.explain().made_from:
                place = int(np.ravel_multi_index(source.index, source.tensor.shape)) if source.index else 0
                found[source.tensor.name, place].add((tensor.name, flat))
    return found


def on_page(browser: Browser, trace: Trace) -> tuple[Places, Places]:
    """The same as the page has it; and the readers of each element, those included in which its term is 0."""
    counts: Places = defaultdict(set)
    every: Places = defaultdict(set)
    for name, place, groups in evaluated(browser, ALL, text_of(trace)):
        for group in groups:
            assert group["counts"] is not None, "a small network is listed"
            assert group["count"] == len(group["counts"]) + len(group["zeros"])
            counts[name, place] |= {(group["tensor"], flat) for flat in group["counts"]}
            every[name, place] |= {(group["tensor"], flat) for flat in (*group["counts"], *group["zeros"])}
    return counts, every


def same(found: Places, expected: Places) -> None:
    """Elements without readers may be left out."""
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}


@pytest.mark.parametrize("name", SMALL)
def test_readers_of_every_element_of_the_examples(browser: Browser, name: str) -> None:
    trace = load_example(name).trace(exact=True)
    counts, every = on_page(browser, trace)
    same(counts, made_from(trace))
    assert all(counts[place] <= every[place] for place in counts)


def test_readers_where_numbers_are_pinned(browser: Browser) -> None:
    trace = load_example("classic").trace()
    same(on_page(browser, trace)[0], made_from(trace))


@pytest.mark.parametrize("seed", range(6))
def test_readers_in_random_networks(browser: Browser, seed: int) -> None:
    network, loss, x, t = random_network(seed)
    trace = network.trace(x[0], t[0], loss=loss, optimizer="adam")
    expected = made_from(trace)
    for name, place, groups in evaluated(browser, ALL, text_of(trace)):
        for group in groups:
            readers = {flat for tensor, flat in expected[name, place] if tensor == group["tensor"]}
            if group["counts"] is None:
                assert len(readers) <= group["count"]
            else:
                assert set(group["counts"]) == readers
        told = {group["tensor"] for group in groups}
        assert {tensor for tensor, _ in expected[name, place]} <= told


def test_a_term_that_is_zero_reads_all_the_same(browser: Browser) -> None:
    """Each of the places that a kernel's weight is multiplied with is found, the zeros as well."""
    network = Network(Conv2D(1, (2, 3)), ReLU(), Flatten(), Dense(2), input_shape=(5, 7, 1))
    image = np.ones((5, 7, 1))
    image[1, 2, 0] = 0
    trace = network.trace(image, np.array([1.0, 0.0]), loss="half_squared_error")
    groups = evaluated(browser, ONE, [text_of(trace), "conv1.w", [0, 1, 0, 0]])
    forward = next(group for group in groups if group["tensor"] == "conv1.x")
    assert forward["count"] == 4 * 5
    assert forward["zeros"] == [1 * 5 + 1]
    assert len(forward["counts"]) == 19


def test_too_many_readers_are_counted(browser: Browser) -> None:
    trace = load_example("lenet-digit").trace()
    groups: list[dict[str, Any]] = evaluated(browser, ONE, [text_of(trace), "conv1.b", [0]])
    assert {"tensor": "conv1.x", "count": 28 * 28, "counts": None, "zeros": None} in groups
    groups = evaluated(browser, ONE, [text_of(trace), "optimizer.eta", []])
    weights = sum(int(np.prod(trace.shapes[n])) for n in trace if n.endswith((".w", ".b")))
    assert sum(group["count"] for group in groups) == weights == 61_706
