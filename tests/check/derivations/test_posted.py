r"""Snippets in the many ways in which people post equations: each is read right, and nothing else is read into it."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.verdict import Verdict
from posted_equations import (
    ANY,
    CONV,
    DEEP,
    DENSE,
    ENTROPY,
    NORM,
    ONE,
    PLAIN_CONV,
    REGRESSION,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
    VECTORS,
)

PRODUCT = r"c_{ij} = \sum_k a_{ik} b_{kj}"
UNIT = r"n = \|x\|; u_i = \frac{x_i}{n}"
RIGHT = {
    "layers": [
        (r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i+m,j+n}^{l-1}", CONV),
        (r"\frac{\partial E}{\partial w^{(l)}_{mn}} = \sum_{i,j} \delta^{(l)}_{ij} o^{(l-1)}_{i+m,j+n}", CONV),
        (r"\frac{\partial E}{\partial w^{[l]}_{m,n}} = \sum_{i,j} \delta^{[l]}_{i,j} o^{[l-1]}_{i+m,j+n}", CONV),
        (r"\delta^l_j = \sigma'(z^l_j) \sum_k w^{l+1}_{kj} \delta^{l+1}_k", DEEP),
        (r"\delta^{l}_j = \left( \sum_k w^{l+1}_{kj} \delta^{l+1}_k \right) a^l_j (1 - a^l_j)", DEEP),
        (r"\delta^l = \left( (w^{l+1})^T \delta^{l+1} \right) \odot \sigma'(z^l)", DEEP),
        (r"\frac{\partial C}{\partial w^{l+1}_{kj}} = a^l_j \delta^{l+1}_k", DEEP),
        (r"\frac{\partial C}{\partial b^{l+1}_k} = \delta^{l+1}_k", DEEP),
        (
            r"\frac{\partial E}{\partial w^{(2)}_{jk}} = \delta_k y^{(1)}_j",
            r"z_k = \sum_j w^{(2)}_{jk} y^{(1)}_j",
        ),
    ],
    "marks": [
        (r"\frac{\partial L}{\partial \hat{y}_i} = \hat{y}_i - y_i", r"L = \frac{1}{2} \sum_i (\hat{y}_i - y_i)^2"),
        (
            r"\frac{\partial \mathcal{L}}{\partial \hat y_i} = \hat y_i - y_i",
            r"\mathcal{L} = \frac12 \sum_i (\hat y_i - y_i)^2",
        ),
        (r"\frac{\partial L}{\partial \tilde{x}_i} = \bar{w}_i \delta_i", r"y_i = \bar{w}_i \tilde{x}_i"),
        (r"\frac{\partial \mathcal{J}}{\partial \mathbf{w}_{ij}} = \boldsymbol{\delta}_j \mathbf{a}_i", DENSE),
        (r"\frac{\partial E}{\partial w'_i} = \delta_i x_i", r"y_i = w'_i x_i"),
        (r"\frac{\partial E}{\partial w_{m',n'}} = \sum_{i,j} \delta_{i,j} o_{i+m',j+n'}", PLAIN_CONV),
        (
            r"\frac{\partial E}{\partial w_{m^\prime,n^\prime}} = \sum_{i,j} \delta_{i,j} o_{i+m^\prime,j+n^\prime}",
            PLAIN_CONV,
        ),
    ],
    "functions": [
        (r"\frac{\partial L}{\partial z_i} = \delta_i \sigma'(z_i)", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \sigma^\prime(z_i)", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \sigma(z_i)(1-\sigma(z_i))", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \, \sigma(z_i) \, \big(1 - \sigma(z_i)\big)", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \frac{e^{-z_i}}{(1 + e^{-z_i})^2}", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \left(1 - \tanh^2 z_i\right)", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i (1 - \tanh(z_i)^2)", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \left[ 1 - y_i^2 \right]", TANH),
        (r"\frac{\partial L}{\partial z_i} = \frac{4 \delta_i}{(e^{z_i} + e^{-z_i})^2}", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \exp(z_i)", r"y_i = \exp(z_i)"),
        (r"\frac{\partial L}{\partial z_i} = \frac{\delta_i}{z_i}", r"y_i = \ln z_i"),
        (r"\frac{\partial L}{\partial z_i} = \delta_i / z_i", r"y_i = \log(z_i)"),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \sigma(z_i)", r"y_i = \ln(1 + e^{z_i})"),
        (r"\frac{\partial L}{\partial z_i} = \frac{\delta_i}{2 \sqrt{z_i}}", r"y_i = \sqrt{z_i}"),
        (r"\frac{\partial E}{\partial x_i} = \sum_j w_{ij} f'(z_j) \frac{\partial E}{\partial a_j}", ANY),
        (r"\frac{\partial a_j}{\partial z_j} = f'(z_j)", ANY),
        (r"\frac{\partial E}{\partial w_{ij}} = \frac{\partial E}{\partial a_j} f^{\prime}(z_j) x_i", ANY),
        (r"\frac{\partial L}{\partial x_i} = \delta_i \operatorname{sgn}(x_i)", r"y_i = |x_i|"),
    ],
    "powers": [
        (
            r"\frac{\partial L}{\partial v_i} = -\frac{1}{2} \delta_i (v_i + \epsilon)^{-3/2}",
            r"y_i = (v_i + \epsilon)^{-1/2}",
        ),
        (r"\frac{\partial L}{\partial v_i} = -\frac12 \delta_i v_i^{-\frac{3}{2}}", r"y_i = \frac{1}{\sqrt{v_i}}"),
        (r"\frac{\partial L}{\partial v_i} = \frac{3}{4} \delta_i v_i^{-1/4}", r"y_i = v_i^{3/4}"),
        (r"\frac{\partial L}{\partial v_i} = -\delta_i v_i^{-2}", r"y_i = v_i^{-1}"),
        (r"\frac{\partial L}{\partial v_i} = \frac{\delta_i}{3} v_i^{-2/3}", r"y_i = \sqrt[3]{v_i}"),
        (r"\frac{\partial L}{\partial v_i} = 3 \delta_i v_i^2", r"y_i = v_i^3"),
        (r"\frac{\partial L}{\partial v_i} = -\frac{\delta_i}{v^2_i}", r"y_i = 1/v_i"),
    ],
    "choices": [
        (r"\frac{\partial L}{\partial z_i} = \delta_i \mathbb{1}[z_i > 0]", RELU),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \mathbf{1}_{z_i > 0}", RELU),
        (r"\frac{\partial L}{\partial z_i} = \delta_i 1_{\{z_i > 0\}}", RELU),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \mathbb{I}(z_i > 0)", RELU),
        (r"\frac{\partial L}{\partial z_i} = \delta_i [z_i > 0]", RELU),
        (
            r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i & \text{if } z_i > 0 \\ 0 & \text{if } z_i"
            r" \le 0 \end{cases}",
            RELU,
        ),
        (
            r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i, & z_i > 0 \\ 0, & \text{otherwise} \end{cases}",
            RELU,
        ),
        (
            r"\frac{\partial L}{\partial z_i} = \left\{ \begin{array}{ll} \delta_i & z_i > 0 \\ 0 & \mbox{else}"
            r" \end{array} \right.",
            RELU,
        ),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \, \mathrm{ReLU}'(z_i)", r"y_i = \mathrm{ReLU}(z_i)"),
        (
            r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i & z_i > 0 \\ \alpha \delta_i & z_i \leq 0"
            r" \end{cases}",
            r"y_i = \begin{cases} z_i & z_i > 0 \\ \alpha z_i & z_i \leq 0 \end{cases}",
        ),
        (r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)", SOFTMAX),
        (r"\frac{\partial p_i}{\partial z_j} = p_i (\mathbb{1}_{i = j} - p_j)", SOFTMAX),
        (
            r"\frac{\partial p_i}{\partial z_j} = \begin{cases} p_i (1 - p_i) & i = j \\ -p_i p_j & i \neq j"
            r" \end{cases}",
            SOFTMAX,
        ),
        (r"\frac{\partial L}{\partial z_i} = \sum_j \delta_j p_j (\delta_{ij} - p_i)", SOFTMAX),
        (r"\frac{\partial L}{\partial z_i} = \delta_i p_i (1 - p_i) - \sum_{j \neq i} \delta_j p_j p_i", SOFTMAX),
        (r"\frac{\partial L}{\partial z_j} = p_j - t_j", ENTROPY),
        (r"\frac{\partial L}{\partial z_j} = p_j \sum_k t_k - t_j", ENTROPY),
        (r"\frac{\partial L}{\partial p_j} = -\frac{t_j}{p_j}", ENTROPY),
    ],
    "sums from 1": [
        (r"\frac{\partial E}{\partial h_m} = \sum_{i=1}^{n} \delta_i x_{i+m-1}", ONE),
        (r"\frac{\partial E}{\partial x_p} = \sum_{m=1}^{k} h_m \delta_{p-m+1}", ONE),
        (r"\frac{\partial E}{\partial x_p} = \sum\limits_{m=1}^{k} h_{k-m+1} \delta_{p+m-k}", ONE),
        (r"\frac{\partial J}{\partial \theta_j} = \frac{1}{m} \sum_{i=1}^m (h_i - y_i) x_{ij}", REGRESSION),
        (r"\frac{\partial J}{\partial h_i} = \frac{h_i - y_i}{m}", REGRESSION),
        (r"\frac{\partial E}{\partial h(m)} = \sum_i \delta(i) x(i+m)", r"y(i) = \sum_m h(m) x(i+m)"),
        (
            r"\frac{\partial E}{\partial W(m,n)} = \sum_i \sum_j \delta(i,j) I(i+m,j+n)",
            r"O(i,j) = \sum_m \sum_n W(m,n) I(i+m,j+n)",
        ),
        (r"\frac{\partial E}{\partial h[m]} = \sum_i \delta[i] x[i+m]", r"y[i] = \sum_m h[m] x[i+m]"),
        (
            r"\frac{\partial J}{\partial \theta_j} = \frac{1}{m} \sum_{i=1}^m \left( h^{(i)} - y^{(i)} \right)"
            r" x^{(i)}_j",
            r"h^{(i)} = \sum_j \theta_j x^{(i)}_j; J = \frac{1}{2m} \sum_{i=1}^m \left( h^{(i)} - y^{(i)} \right)^2",
        ),
    ],
    "gradients and updates": [
        (r"\nabla_W C = \left( (a - y) \odot \sigma'(z) \right) x^T", VECTORS),
        (r"\nabla_{b} C = (a - y) \odot a \odot (1 - a)", VECTORS),
        (r"\nabla W = \delta x^T", VECTORS),
        (r"\delta = (a - y) \odot \sigma'(z)", VECTORS),
        (r"\delta = \nabla_a C \odot \sigma'(z)", VECTORS),
        (r"\frac{\partial C}{\partial x} = W^T \delta", VECTORS),
        (
            r"\frac{\partial C}{\partial W} = \frac{\partial C}{\partial a} \frac{\partial a}{\partial z}"
            r" \frac{\partial z}{\partial W}",
            VECTORS,
        ),
        (r"W \leftarrow W - \eta \, \delta x^\top", VECTORS),
        (r"W := W - \alpha \frac{\partial C}{\partial W}", VECTORS),
        (r"\Delta w_{ij} = -\eta \delta_j a_i", DENSE),
        (r"\Delta w_{ij} = -\eta \frac{\partial E}{\partial w_{ij}}", DENSE),
        (r"w_{ij} \leftarrow w_{ij} - \eta \delta_j a_i", DENSE),
        (r"w_{ij} := w_{ij} - \alpha \, \delta_j a_i", DENSE),
        (r"w_{ij}^{(t+1)} = w_{ij}^{(t)} - \eta \delta_j a_i", DENSE),
        (r"w_{ij}^{new} = w_{ij}^{old} - \eta \delta_j a_i", DENSE),
        (r"w_{ij}^{\text{new}} = w_{ij} - \eta \delta_j a_i", DENSE),
        (r"b_j \gets b_j - \eta \delta_j", DENSE),
    ],
    "layout": [
        (
            "\\begin{align}\n\\frac{\\partial E}{\\partial w_{ij}} &= \\frac{\\partial E}{\\partial z_j}"
            " \\frac{\\partial z_j}{\\partial w_{ij}} \\\\\n&= \\delta_j a_i\n\\end{align}",
            DENSE,
        ),
        (
            "\\begin{equation}\\label{eq:w}\n\\frac{\\partial E}{\\partial w_{ij}} = \\delta_j a_i"
            " \\tag{3}\n\\end{equation}",
            DENSE,
        ),
        (
            "\\begin{gather*} \\frac{\\partial E}{\\partial b_j} = \\delta_j \\\\ \\frac{\\partial E}{\\partial"
            " w_{ij}} = \\delta_j a_i \\nonumber \\end{gather*}",
            DENSE,
        ),
        ("\\begin{eqnarray} \\frac{\\partial E}{\\partial w_{ij}} & = & \\delta_j a_i \\end{eqnarray}", DENSE),
        (
            "\\begin{equation*}\\begin{split} \\frac{\\partial E}{\\partial a_i} &= \\sum_j \\frac{\\partial"
            " E}{\\partial z_j} \\frac{\\partial z_j}{\\partial a_i} \\\\ &= \\sum_j \\delta_j w_{ij}"
            " \\end{split}\\end{equation*}",
            DENSE,
        ),
        (r"$$\frac{\partial E}{\partial w_{ij}} = \delta_j a_i.$$", DENSE),
        (r"\[ \dfrac{\partial E}{\partial w_{ij}} = \delta_j \cdot a_i \]", DENSE),
        (r"\( \tfrac{\partial E}{\partial w_{ij}} = \delta_j \times a_i \)", DENSE),
        ("\\frac{\\partial E}{\\partial w_{ij}} % the weights\n = \\delta_j a_i % as before", DENSE),
        ("\\frac{\\partial E}{\\partial w_{ij}}\n  = \\delta_j\n  a_i", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j \; a_i \qquad (4)", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i, \quad \frac{\partial E}{\partial b_j} = \delta_j", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i \quad \text{for all } i, j", DENSE),
        (r"\partial E / \partial w_{ij} = \delta_j a_i", DENSE),
        (r"\partial E/\partial a_i = \sum_j w_{ij} \, \partial E/\partial z_j", DENSE),
        (r"\frac{dE}{dw_{ij}} = \delta_j a_i", DENSE),
        (r"\frac{\mathrm{d} E}{\mathrm{d} w_{ij}} = \delta_j a_i", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = {\delta_j} {a_i}", DENSE),
    ],
    "frames": [
        (r"\frac{\partial E}{\partial w_{ij}} = \underbrace{\delta_j}_{\text{error}} a_i", DENSE),
        (
            r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i, \quad \text{where } \delta_j = "
            r"\frac{\partial E}{\partial z_j}",
            DENSE,
        ),
        (r"\frac{\partial E}{\partial w_{11}} = \delta_1 a_1", r"z_1 = w_{11} a_1 + w_{21} a_2 + b_1"),
        (r"\boxed{\frac{\partial E}{\partial w_{ij}} = \delta_j a_i}", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = \textcolor{red}{\delta_j} \color{blue} a_i", DENSE),
    ],
    "kronecker beside a matrix": [
        (r"\frac{\partial c_{ij}}{\partial a_{pq}} = \delta_{ip} b_{qj}", PRODUCT),
        (r"\frac{\partial c_{ij}}{\partial b_{pq}} = a_{ip} \delta_{jq}", PRODUCT),
    ],
    "hyperbolic": [
        (r"\frac{\partial L}{\partial z_i} = \delta_i \operatorname{sech}^2(z_i)", TANH),
        (r"\frac{\partial L}{\partial z_i} = \frac{\delta_i}{\cosh^2 z_i}", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \sinh(z_i)", r"y_i = \cosh z_i"),
    ],
    "a norm beside indices": [
        (r"\frac{\partial n}{\partial x_i} = \frac{x_i}{\|x\|}", UNIT),
        (r"\frac{\partial u_i}{\partial x_j} = \frac{\delta_{ij} - u_i u_j}{n}", UNIT),
    ],
    "plain text": [
        ("dE/dw[m,n] = sum_i sum_j delta[i,j]*o[i+m,j+n]", PLAIN_CONV),
        ("∂E/∂w[m,n] = Σ_i Σ_j δ[i,j]·o[i+m,j+n]", PLAIN_CONV),
        ("∂E/∂w_mn = Σᵢ Σⱼ δᵢⱼ × o_{i+m,j+n}", PLAIN_CONV),
        ("dE/do[p,q] = sum_m sum_n delta[p-m,q-n] * w[m,n]", PLAIN_CONV),
        ("dE/dz_i = δ_i·(1 − y_i²)", TANH),
        ("∂L/∂zᵢ = δᵢ σ′(zᵢ)", SIGMOID),
        ("dL/dz_i = delta_i * sigma'(z_i)", SIGMOID),
        ("dL/dz_i = delta_i * y_i * (1 - y_i)", SIGMOID),
        ("∂L/∂z_i = δ_i·1[z_i > 0]", RELU),
        ("w[m,n] := w[m,n] - eta * sum[i,j](delta[i,j]*o[i+m,j+n])", PLAIN_CONV),
        ("w[m,n] -= eta * sum[i,j](delta[i,j]*o[i+m,j+n])", PLAIN_CONV),
        ("dW = delta * x^T", VECTORS),
        ("∂C/∂W = δ xᵀ", VECTORS),
        ("dx = W^T @ delta", VECTORS),
    ],
    "Einstein": [
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_i x_j", r"y_i = w_{ij} x_j"),
        (r"\frac{\partial E}{\partial x_j} = w_{ij} \delta_i", r"y_i = w_{ij} x_j"),
        (r"\frac{\partial E}{\partial w_{mn}} = \delta_{ij} o_{i+m,j+n}", r"x_{ij} = w_{mn} o_{i+m,j+n}"),
    ],
    "normalization": [
        (r"\frac{\partial L}{\partial \gamma} = \sum_{i=1}^m \frac{\partial L}{\partial y_i} \hat{x}_i", NORM),
        (r"\frac{\partial L}{\partial \beta} = \sum_{i=1}^m \frac{\partial L}{\partial y_i}", NORM),
        (r"\frac{\partial L}{\partial \hat{x}_i} = \frac{\partial L}{\partial y_i} \gamma", NORM),
        (
            r"\frac{\partial L}{\partial \sigma^2} = \sum_{i=1}^m \frac{\partial L}{\partial \hat{x}_i} (x_i - \mu)"
            r" \cdot \frac{-1}{2} (\sigma^2 + \epsilon)^{-3/2}",
            NORM,
        ),
        (
            r"\frac{\partial L}{\partial x_i} = \frac{\gamma}{m \sqrt{\sigma^2 + \epsilon}} \left( m"
            r" \frac{\partial L}{\partial y_i}"
            r" - \sum_{j=1}^m \frac{\partial L}{\partial y_j} - \hat{x}_i \sum_{j=1}^m \frac{\partial L}{\partial"
            r" y_j} \hat{x}_j \right)",
            NORM,
        ),
    ],
}


@pytest.mark.parametrize(("says", "of"), [pair for pairs in RIGHT.values() for pair in pairs])
def test_read_right(says: str, of: str) -> None:
    report = check_equation(says, of)
    assert report.verdict is Verdict.RIGHT, str(report)


def test_there_are_many() -> None:
    assert sum(map(len, RIGHT.values())) >= 120
