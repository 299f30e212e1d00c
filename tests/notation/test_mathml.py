"""MathML: well-formed for everything that LaTeX is written for, words in one piece, and the notation as its text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given

from convgrad import derivation, losses, optimizers
from convgrad.errors import DerivationError
from convgrad.layers import Layer
from convgrad.notation import Equation, Polynomial, Position, mathml, parse
from convgrad.notation.printing.mathml import mathml_of_latex
from documented_layers import GROUPS
from strategies import equations

SPACE = "{http://www.w3.org/1998/Math/MathML}"
KNOWN = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "msub", "msup", "msubsup", "munder"),
    *("mtable", "mtr", "mtd"),
}
LAYERS = [layer for layers in GROUPS.values() for layer in layers]
EQUATIONS = {
    **{repr(layer): layer.equation for layer in LAYERS},
    **{name: loss().equation for name, loss in losses.registry.items()},
    **{name: make().equation for name, make in optimizers.registry.items()},
}


def elements(written: str, alternative: str | None = None) -> list[ElementTree.Element]:
    """The parts of a formula, all of which browsers know."""
    math = ElementTree.fromstring(written)
    found = list(math.iter())
    assert math.tag == f"{SPACE}math"
    assert {element.tag.removeprefix(SPACE) for element in found} <= KNOWN
    if alternative is not None:
        assert math.attrib["alttext"] == alternative.replace("\n", "; ")
    words = "".join(math.itertext())
    assert "\\" not in words
    assert "&" not in words
    assert not any(text in words for text in ("{cases", "aligned", "mathrm"))
    return found


@pytest.mark.parametrize("equation", EQUATIONS.values(), ids=EQUATIONS)
def test_every_equation_is_well_formed(equation: Equation) -> None:
    elements(mathml(equation), str(equation))
    for definition in equation.definitions:
        elements(mathml(definition, display="inline"), str(definition))


WAYS_IN = {f"{layer!r}-{name}": (layer, name) for layer in LAYERS for name in layer.equation.inputs}


@pytest.mark.parametrize(("layer", "name"), WAYS_IN.values(), ids=WAYS_IN)
def test_every_derivation_is_well_formed(layer: Layer, name: str) -> None:
    try:
        derived = derivation(layer.equation, name)
    except DerivationError:  # the seed of Dropout
        assert name == "seed"
        return
    for step in derived.steps:
        elements(step.mathml, step.equation)
    page = ElementTree.fromstring(derived._repr_html_())
    assert len(page.findall("p")) >= len(derived.steps)
    assert len(page.findall(f"{SPACE}math")) > len(derived.steps)


@given(equations())
def test_every_text_is_well_formed(equation: Equation) -> None:
    elements(mathml(equation), str(equation))


def words(written: str) -> list[str]:
    return [element.text for element in elements(written) if element.text]


def test_words_are_one_element_and_gradients_are_upright() -> None:
    outside = mathml(parse("dx[i] = conv_1.w[i] * dgamma[i-p else 0]"))
    assert {"outside", "conv_1"} <= set(words(outside))
    assert outside.count('<mi mathvariant="normal">d</mi>') == 2 + 1  # dx, dgamma, and dgamma in the note
    assert "arg\u2009max" in words(mathml(parse("x = argmax[m](a[m])")))


def test_numbers_and_signs() -> None:
    assert words(mathml(parse("x = -1.5 * a"))) == ["x", "=", "\u2212", "1.5", "a"]
    assert words(mathml(Position(Polynomial.name("i"), Polynomial.of([(("s",), 2)])))) == ["i", "/", "(", "2", "s", ")"]


def test_limits_stand_below_in_displayed_formulas_only() -> None:
    equation = parse("y[i] = max[m](x[2*i+m])")
    assert "<munder><mo>max</mo>" in mathml(equation)
    assert "<msub><mo>max</mo>" in mathml(equation, display="inline")


def test_columns_are_aligned_for_browsers() -> None:
    both = mathml(parse("a = 1; b = where(a < 2, a, 0)"))
    assert both.count("text-align: right") == 2
    assert "columnalign" not in both
    assert 'alttext="a = 1; b = where(a &lt; 2, a, 0)"' in both


def test_other_latex_of_ours() -> None:
    assert words(mathml_of_latex(r"w = \begin{pmatrix} 1 & -2 \end{pmatrix}", "w")) == [
        "w",
        "=",
        "(",
        "1",
        "\u2212",
        "2",
        ")",
    ]
    assert "4\u00a0more" in words(mathml_of_latex(r"a + \cdots (\text{4 more})", "a"))
