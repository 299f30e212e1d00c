r"""Networks as courses write them: matrices without indices, layers as superscripts, the backward pass of layer l."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark


def claims(text: str) -> list[Mark]:
    """The verdicts on what is claimed."""
    parts = check_text(text, "a.md", Options(run=False)).parts
    return [part.mark for part in parts if part.mark.is_claim]


ANY_LAYER = r"""
Each layer computes $z^l = w^l a^{l-1} + b^l$ and $a^l = \sigma(z^l)$. We want the gradient of
$C = \frac{1}{2} \sum_j (y_j - a^L_j)^2$, so let $\delta^l_j = \frac{\partial C}{\partial z^l_j}$. Then

$$\delta^L = \nabla_a C \odot \sigma'(z^L)$$
$$\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)$$
$$\frac{\partial C}{\partial b^l_j} = \delta^l_j$$
$$\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j$$
"""
STEPS = r"""
$$a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)}$$
$$h^{(k)} = f(a^{(k)})$$
$$g \leftarrow \nabla_{\hat{y}} J = \nabla_{\hat y} L(\hat y, y)$$
$$g \leftarrow \nabla_{a^{(k)}} J = g \odot f'(a^{(k)})$$
$$\nabla_{b^{(k)}} J = g$$
$$\nabla_{W^{(k)}} J = g\, h^{(k-1)\top}$$
$$g \leftarrow \nabla_{h^{(k-1)}} J = W^{(k)\top} g$$
"""
TWO_LAYERS = r"""
$$z^{1} = W^{1} x + b^{1}$$
$$a^{1} = \tanh(z^{1})$$
$$z^{2} = W^{2} a^{1} + b^{2}$$
$$\delta^{2} = \frac{\partial E}{\partial z^{2}}$$
$$\delta^{1} = (W^{2})^T \delta^{2} \odot (1 - a^1 \odot a^1)$$
$$\frac{\partial E}{\partial W^{1}} = \delta^{1} x^T$$
$$\frac{\partial E}{\partial W^{2}} = \delta^{2} (a^{1})^T$$
"""
COLUMNS = r"""
$$Z^{[1]} = W^{[1]} X + b^{[1]}, \quad A^{[1]} = g(Z^{[1]}), \quad Z^{[2]} = W^{[2]} A^{[1]} + b^{[2]}$$
$$dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[1]T}$$
$$db^{[2]} = \frac{1}{m} \sum dZ^{[2]}$$
$$dZ^{[1]} = W^{[2]T} dZ^{[2]} * g'(Z^{[1]})$$
$$dW^{[1]} = \frac{1}{m} dZ^{[1]} X^T$$
"""


@pytest.mark.parametrize("text", [ANY_LAYER, TWO_LAYERS, COLUMNS])
def test_the_backward_pass_in_matrices_is_right(text: str) -> None:
    found = claims(text)
    assert len(found) >= 3
    assert all(mark.is_right for mark in found)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (ANY_LAYER, r"((w^{l+1})^T \delta^{l+1})", r"(w^{l+1} \delta^{l+1})"),
        (ANY_LAYER, r"(w^{l+1})^T", r"(w^{l})^T"),
        (ANY_LAYER, r"\delta^{l+1}) \odot \sigma'(z^l)", r"\delta^{l+1})"),
        (ANY_LAYER, r"\sigma'(z^l)", r"\sigma(z^l)"),
        (ANY_LAYER, r"\nabla_a C \odot \sigma'(z^L)", r"\nabla_a C"),
        (ANY_LAYER, r"a^{l-1}_k", r"a^{l}_k"),
        (TWO_LAYERS, r"(W^{2})^T \delta", r"W^{2} \delta"),
        (TWO_LAYERS, r"(W^{2})^T \delta", r"(W^{1})^T \delta"),
        (TWO_LAYERS, r" \odot (1 - a^1 \odot a^1)", ""),
        (TWO_LAYERS, r"\delta^{1} x^T", r"x (\delta^{1})^T"),
        (TWO_LAYERS, r"\delta^{2} (a^{1})^T", r"\delta^{1} (a^{1})^T"),
        (COLUMNS, r"W^{[2]T} dZ", r"W^{[2]} dZ"),
        (COLUMNS, r"dZ^{[2]} A^{[1]T}", r"A^{[1]T} dZ^{[2]}"),
        (COLUMNS, r"dZ^{[1]} X^T", r"dZ^{[1]} X"),
        (COLUMNS, r"* g'(Z^{[1]})", ""),
    ],
)
def test_with_one_slip_it_is_wrong(text: str, old: str, new: str) -> None:
    assert old in text
    assert Mark.WRONG in claims(text.replace(old, new))


def test_the_number_of_a_layer_is_no_exponent() -> None:
    assert claims(r"$a^{3} = \tanh(z^{3})$") != [Mark.WRONG]
    assert claims(r"$y = w x$, $E = (y - t)^2$, $\frac{\partial E}{\partial w} = 2 (y - t) x$") == [Mark.RIGHT]


@pytest.mark.parametrize(
    ("right", "wrong", "marks"),
    [
        ("", "", [Mark.RIGHT] * 4),
        (r"\odot f'(a", r"\odot f(a", [Mark.NOT_UNDERSTOOD, *[Mark.RIGHT] * 3]),  # what g is there, is assumed
        ("J = g$$", "J = -g$$", [Mark.RIGHT, Mark.WRONG, Mark.RIGHT, Mark.RIGHT]),
        (r"g\, h^{(k-1)\top}", r"h^{(k-1)} g^\top", [Mark.RIGHT, Mark.RIGHT, Mark.WRONG, Mark.RIGHT]),
        (r"g\, h^{(k-1)\top}", r"g\, h^{(k)\top}", [Mark.RIGHT, Mark.RIGHT, Mark.WRONG, Mark.RIGHT]),
        (r"W^{(k)\top} g", "W^{(k)} g", [*[Mark.RIGHT] * 3, Mark.WRONG]),
    ],
)
def test_steps_in_which_one_name_stands_for_one_gradient_after_the_other(
    right: str, wrong: str, marks: list[Mark]
) -> None:
    assert right in STEPS
    assert claims(STEPS.replace(right, wrong, 1)) == marks


def test_what_is_assumed_of_a_name_is_told() -> None:
    parts = check_text(STEPS, "a.md", Options(run=False)).parts
    assert [part.words[0] for part in parts if part.mark is Mark.GIVEN] == [
        "Both sides are dy_hat, so nothing is claimed."
    ]
    first = next(part for part in parts if part.mark is Mark.RIGHT)
    assert first.words[-1] == "g, which stands for dy_hat, was read as dh, the gradient from above."


RECURRENT = r"""
$$h_t = \tanh(u x_t + v h_{t-1} + b)$$
$$\frac{\partial L}{\partial v} = \sum_t \delta_t h_{t-1}$$
"""


def test_recurrences_are_read_with_the_step_before() -> None:
    recurrence, gradient = check_text(RECURRENT, "a.md", Options(run=False)).parts
    assert (recurrence.mark, gradient.mark) == (Mark.DEFINITION, Mark.RIGHT)
    assert "delta was read as dh_net, the gradient with respect to h_net." in gradient.words
    wrong = check_text(RECURRENT.replace(r"\delta_t h_{t-1}", r"\delta_t h_t"), "a.md", Options(run=False)).parts[-1]
    assert wrong.mark is Mark.WRONG
