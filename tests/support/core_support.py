"""Runs the page's program (core.js) in Chromium, and compares what it says with what Python says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convgrad.explain import Element, Trace
from convgrad.explain.page.build import core_script
from convgrad.explain.page.model import page_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNNER = """
(text) => JSON.stringify(JSON.parse(text).map(({ model, actions, elements, values }) => {
    const trace = new convgrad.Trace(model);
    let changes = 0;
    trace.onchange = () => { changes += 1; };
    const said = actions.map(([name, ...given]) => {
        try {
            return { returned: trace[name](...given) ?? null };
        } catch (error) {
            return { error: error.message };
        }
    });
    return {
        said,
        changes,
        names: trace.names,
        pins: trace.pins,
        loss: trace.loss,
        values: Object.fromEntries((values ?? trace.names).map((name) => [name, [...trace.tensor(name).values]])),
        explained: elements.map(([name, index]) => trace.explain(name, index)),
    };
}))
"""
TEXTS = ("element", "equation", "substituted", "written", "numbers", "notes", "status", "indices", "latex", "pinned")

Job = dict[str, Any]


def job(
    model: dict[str, Any],
    actions: Sequence[Sequence[Any]] = (),
    elements: Sequence[Element] = (),
    values: Sequence[str] | None = None,
) -> Job:
    """What a page is to do: methods of its trace with their arguments, then explain elements and give values."""
    named = [[element.tensor.name, list(element.index)] for element in elements]
    return {"model": model, "actions": actions, "elements": named, "values": values}


def run(browser: Browser, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """All jobs in one call of the browser; numbers that are not finite come back as None."""
    page = browser.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.add_script_tag(content=core_script())
        found: list[dict[str, Any]] = json.loads(page.evaluate(RUNNER, json.dumps(jobs, allow_nan=False)))
    finally:
        page.close()
    assert not failures
    return found


def evaluated(browser: Browser, script: str, argument: Any = None) -> Any:
    """What a function of the page's program returns."""
    page = browser.new_page()
    try:
        page.add_script_tag(content=core_script())
        return page.evaluate(script, argument)
    finally:
        page.close()


def compare(browser: Browser, pairs: Sequence[tuple[Trace, Sequence[Element]]], rounding: float = 1e-12) -> None:
    """Each trace's values, and what it says about some of its elements, are the same in the page."""
    jobs = [job(page_model(trace, "network"), elements=elements) for trace, elements in pairs]
    for (trace, elements), found in zip(pairs, run(browser, jobs), strict=True):
        same_values(trace, found, rounding)
        for element, explained in zip(elements, found["explained"], strict=True):
            same_explanation(element, explained, rounding)


def same_values(trace: Trace, found: dict[str, Any], rounding: float = 1e-12) -> None:
    """All tensors that the page gives have the trace's values, up to the order in which sums are taken."""
    for name, values in found["values"].items():
        close(values, trace[name].values.ravel(), rounding, name)
    assert found["loss"] is None if trace.loss is None else math.isclose(found["loss"], trace.loss, rel_tol=1e-9)


def close(found: Sequence[float | None], wanted: np.ndarray[Any, Any], rounding: float, name: str) -> None:
    """Equal, but for `rounding` of the largest of them."""
    numbers = np.array([np.nan if value is None else value for value in found])
    largest = float(np.abs(wanted, where=np.isfinite(wanted), out=np.zeros_like(wanted)).max(initial=0.0))
    wanted = np.where(np.isfinite(wanted), wanted, np.nan)
    np.testing.assert_allclose(numbers, wanted, rtol=rounding, atol=rounding * largest, err_msg=name)


def same_explanation(element: Element, found: dict[str, Any], rounding: float = 1e-12) -> None:
    """The page explains an element with the same texts, and with terms that are the same and add up to its value."""
    explanation = element.explain()
    wanted = explanation.to_json()
    wanted |= {"status": element.status, "indices": explanation.with_indices, "latex": explanation.latex}
    wanted |= {"written": element.written, "numbers": explanation.numbers, "notes": list(explanation.notes)}
    assert [(n["kind"], n["words"]) for n in found["notes"]] == [(n.kind.value, n.words) for n in explanation.remarks]
    found = {**found, "notes": [note["text"] for note in found["notes"]]}
    assert {key: found.get(key) for key in TEXTS} == {key: wanted.get(key) for key in TEXTS}
    made_from = [{"element": e.name, "status": e.status} for e in explanation.made_from]
    assert [{key: e[key] for key in ("element", "status")} for e in found["madeFrom"]] == made_from
    written = [e.written for e in explanation.made_from]
    assert [e["written"] for e in found["madeFrom"]] == written
    same_terms(wanted["terms"], found["terms"], rounding)
    same_terms(wanted.get("terms_of_equation", []), found.get("terms_of_equation", []), rounding)
    products = [term["value"] for term in found["terms"]]
    if None not in products and found["value"] is not None:
        sizes = [abs(product) for product in products] + [abs(r) for r in _read(found["terms"])]
        assert abs(math.fsum(products) - found["value"]) <= 1e-13 * (len(products) + 10) * sum(sizes), element.name


def same_terms(wanted: list[dict[str, Any]], found: list[dict[str, Any]], rounding: float) -> None:
    """Term by term the same factors."""
    assert len(found) == len(wanted)
    scale = max((abs(term["value"]) for term in wanted if term["value"] is not None), default=0.0)
    for one, other in zip(wanted, found, strict=True):
        same_number(one["value"], other["value"], rounding, scale)
        assert len(one["factors"]) == len(other["factors"])
        for factor, own in zip(one["factors"], other["factors"], strict=True):
            keys = ("tensor", "index", "outside", "expression")
            assert [own.get(key) for key in keys] == [factor.get(key) for key in keys]
            same_number(factor["value"], own["value"], 1e3 * rounding, 1e-3)


def same_number(wanted: float | None, found: float | None, rounding: float, scale: float) -> None:
    """Both not finite, or near each other."""
    if wanted is None or found is None:
        assert wanted is found is None
    else:
        assert abs(found - wanted) <= rounding * max(abs(wanted), scale)


def _read(terms: list[dict[str, Any]]) -> list[float]:
    return [r["value"] or 0 for term in terms for factor in term["factors"] for r in factor.get("reads", ())]


def sample(trace: Trace, rng: np.random.Generator, of_each: int) -> list[Element]:
    """Some elements of every tensor."""
    return [
        tensor[tuple(int(rng.integers(size)) for size in tensor.shape)]
        for tensor in trace.values()
        for _ in range(of_each)
    ]
