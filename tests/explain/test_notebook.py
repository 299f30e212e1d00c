"""How things show themselves in a notebook."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from convgrad import derivation, parse
from convgrad.examples import NAMES, load_example
from convgrad.layers import Conv2D, MaxPool2D


class Balance(HTMLParser):
    """Fails where a tag is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert not parser.open
    return parser.text


@pytest.mark.parametrize("name", NAMES)
def test_everything_shows_itself(name: str) -> None:
    trace = load_example(name).trace()
    assert "conv1.dw" in text_of(trace._repr_html_())
    for tensor in trace.values():
        assert tensor.name in text_of(tensor._repr_html_())
        assert tensor._repr_latex_().startswith("$\\displaystyle ")
        element = tensor[(0,) * len(tensor.shape)]
        assert element.written.lstrip("-")[:6] in text_of(element._repr_html_())
        assert element._repr_latex_().count("{") == element._repr_latex_().count("}")
        ElementTree.fromstring(element.explain().mathml)


def test_a_trace_is_grids_with_its_equations_folded_in() -> None:
    trace = load_example("two-channels").trace()
    html = trace._repr_html_()
    unfolded = re.sub(r"<details><summary>equation</summary>.*?</details>", "", html)
    assert "where(" not in text_of(html), "equations are mathematics"
    assert html.count("<math ") == sum(tensor.definition is not None for tensor in trace.values())
    assert "<math " not in unfolded
    titles = re.findall(r"<summary><b>(\w+)</b>", html)
    assert titles == ["Given", "Forward", "Loss", "Backward", "Update"]
    grids = html[html.index("<code>conv1.dw</code>") :]
    grids = grids[: grids.index("equation")]
    assert grids.count("<table") == 4  # a 2x2 kernel of each of 2 channels for each of 2 filters
    first = grids[grids.index("<table") : grids.index("</table>")]
    assert re.findall(r">([\d.]+)</td>", first) == ["0.050618", "0.354326", "0.455562", "0.101236"]
    zero = re.search(r"<td style='([^']*)'>0</td>", html)
    assert zero is not None
    assert "background" not in zero[1]  # zero is white
    largest = float(np.abs(trace["conv1.dw"].values).max())
    assert f"rgba(31,95,191,{0.55 * 0.354326 / largest:.2f})'>0.354326" in grids
    assert "rgba(214,109,0,0.55)'>-0.455562" in grids


def test_of_a_large_network_nothing_is_computed_to_show_its_trace() -> None:
    trace = load_example("lenet-digit").trace()
    html = trace._repr_html_()
    assert "400 × 120" in html
    assert not {"conv1.x", "dense1.dw", "loss.E"} & set(trace._values)


def test_the_same_number_everywhere() -> None:
    trace = load_example("classic").trace()
    element = trace["conv1.dw"][0, 0]
    shown = (trace["conv1.dw"]._repr_html_(), trace["conv1.dw"]._repr_latex_(), element._repr_html_(), str(element))
    assert all("0.044606" in text for text in shown)
    assert repr(trace) == "<Trace of classic: 20 tensors>"
    assert repr(trace["conv1.dx"]) == "<Tensor conv1.dx of shape (4, 4), backward, pinned>"
    assert repr(element) == "<Element conv1.dw[0,0] = 0.044606>"
    assert repr(element.explain()) == "<Explanation of conv1.dw[0,0] = 0.044606>"
    assert str(trace).startswith("classic\n=======")
    assert trace._ipython_key_completions_()[0] == "conv1.w"


def test_a_network_shows_itself() -> None:
    network = load_example("two-channels").network
    text = text_of(network._repr_html_())
    assert "conv1" in text
    assert "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]" in text
    assert "24 parameters" in text
    assert r"\sum_{m,n,c}" in network._repr_latex_()


def test_equations_and_layers_show_themselves() -> None:
    equation = parse("x[i] = sum[m](w[m] * o[i+m])")
    shown = r"$\displaystyle x_{i} = \sum_{m} w_{m} \, o_{i+m}$"
    assert equation._repr_latex_() == equation.result._repr_latex_() == shown
    layer = Conv2D(3, 2, strides=2)
    assert r"\sum_{m,n,c}" in layer._repr_latex_()
    assert text_of(layer._repr_html_()).startswith("Conv2D(3, 2, strides=2)x")
    assert "max" in text_of(MaxPool2D(2)._repr_html_())


def test_a_derivation_shows_its_steps() -> None:
    derived = derivation(parse("x[i] = sum[m](w[m] * o[i+m])"), "w")
    text = text_of(derived._repr_html_())
    assert "chain rule: w[m'] affects the error through every x[i] that reads it" in text
    assert "∂" in text
    assert r"\frac{\partial x_{i}}{\partial w_{m'}}" in derived.steps[0].latex
    assert derived._repr_latex_() == r"$\displaystyle \mathrm{d}w_{m} = \sum_{i} \mathrm{d}x_{i} \, o_{i+m}$"
    softmax = derivation(parse("x[k] = exp(o[k]) / sum[l](exp(o[l]))"), "o")
    assert "In the order in which they can be computed:" in text_of(softmax._repr_html_())


def test_an_explanation_as_mathml() -> None:
    explained = load_example("classic").trace()["conv1.dw"][0, 0].explain()
    assert explained.mathml.startswith("<math ")
    assert explained.mathml in explained._repr_html_()
    assert text_of(explained.mathml).endswith("=0.044606")
    assert "0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 - 0.0681*0.70 = 0.044606" in explained.mathml


def test_large_tensors_are_summed_up() -> None:
    trace = load_example("lenet-digit").trace()
    assert "400 x 120 numbers from" in text_of(trace["dense1.w"]._repr_html_())
    assert "400 x 120 numbers from" in str(trace["dense1.w"])
    assert "400 x 120 numbers from" in trace["dense1.w"]._repr_latex_()
