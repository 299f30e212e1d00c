r"""False derivations near true ones: each is wrong, and none is "not checked", for there is enough to see it."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.verdict import Verdict
from posted_equations import (
    CONV,
    DEEP,
    DENSE,
    ENTROPY,
    NORM,
    ONE,
    PLAIN_CONV,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
    TWO,
    VECTORS,
)

RESIDUAL = r"y_i = x_i + \sum_j w_{ij} x_j"
RECURRENT = r"z_i = \sum_j u_{ij} x_j + \sum_j w_{ij} h_j; s_i = \tanh(z_i)"
SUMS = r"x_{i,j} = \sum_{m=0}^{k_1-1} \sum_{n=0}^{k_2-1} w_{m,n} o_{i+m,j+n}"
CHANNELS = r"x_{i,k} = \sum_m \sum_c w_{m,c,k} o_{i+m,c} + b_k"
BATCH = r"z_{nj} = \sum_i x_{ni} w_{ij} + b_j"

PRODUCT = r"c_{ij} = \sum_k a_{ik} b_{kj}"
UNIT = r"n = \|x\|; u_i = \frac{x_i}{n}"

WRONG = {
    "local derivatives": [
        (r"\frac{\partial c_{ij}}{\partial a_{pq}} = \delta_{iq} b_{pj}", PRODUCT),
        (r"\frac{\partial z_j}{\partial a_i} = w_{ji}", DENSE),
        (r"\frac{\partial n}{\partial x_i} = \frac{x_i}{\|x\|^2}", UNIT),
        (r"\frac{\partial L}{\partial z_i} = \frac{\delta_i}{\cosh z_i}", TANH),
    ],
    "bounds": [
        (
            r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1+1} \sum_{j=0}^{W-k_2} \delta_{i,j} o_{i+m,j+n}",
            SUMS,
        ),
        (
            r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1-1} \sum_{j=0}^{W-k_2-1} \delta_{i,j} o_{i+m,j+n}",
            SUMS,
        ),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{k_1-1} \sum_{j=0}^{k_2-1} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-1} \sum_{j=0}^{W-1} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-2} \sum_{j=0}^{W-3} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{4} \sum_{j=0}^{5} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{W-k_1} \sum_{j=0}^{H-k_2} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=1}^{H-k_1} \sum_{j=1}^{W-k_2} \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k_1-2} \sum_{n=0}^{k_2-1} \delta_{p-m,q-n} w_{m,n}", SUMS),
        (r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k_2-1} \sum_{n=0}^{k_1-1} \delta_{p-m,q-n} w_{m,n}", SUMS),
        (r"\frac{\partial E}{\partial x_p} = \sum_{m=1}^{k-1} h_m \delta_{p-m+1}", ONE),
        (r"\frac{\partial E}{\partial x_p} = \sum_{m=1}^{k+1} h_m \delta_{p-m+1}", ONE),
    ],
    "indices": [
        (r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i-m,j-n}^{l-1}", CONV),
        (r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i+n,j+m}^{l-1}", CONV),
        (r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i,j}^{l-1}", CONV),
        (r"\frac{\partial E}{\partial o_{p,q}^{l-1}} = \sum_m \sum_n \delta_{p+m,q+n}^l w_{m,n}^l", CONV),
        (r"\frac{\partial E}{\partial o_{p,q}^{l-1}} = \sum_m \sum_n \delta_{p-m,q+n}^l w_{m,n}^l", CONV),
        (r"\frac{\partial x_{i,j}^l}{\partial w_{m,n}^l} = o_{i+m,j-n}^{l-1}", CONV),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_i a_j", DENSE),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_j", DENSE),
        (r"\frac{\partial E}{\partial a_i} = \sum_j w_{ji} \delta_j", DENSE),
        (r"\frac{\partial z_j}{\partial w_{ij}} = a_j", DENSE),
        (r"\frac{\partial E}{\partial x_p} = \sum_{m=1}^k h_m \delta_{p-m}", ONE),
        (r"\frac{\partial E}{\partial h_m} = \sum_i \delta_i x_{i+m+1}", ONE),
        (r"\frac{\partial E}{\partial w_{m,c,k}} = \sum_i \delta_{i,k} o_{i+m,k}", CHANNELS),
        (r"\frac{\partial E}{\partial w_{m',n'}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i+m,j+n}^{l-1}", CONV),
    ],
    "transposes": [
        (r"\frac{\partial E}{\partial x_i} = \delta_i + \sum_j w_{ij} \delta_j", RESIDUAL),
        (r"\frac{\partial E}{\partial x} = \delta + w \delta", RESIDUAL),
        (r"\frac{\partial E}{\partial x_i} = \delta_i (1 + w_{ii})", RESIDUAL),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j x_i", RESIDUAL),
        (r"\frac{\partial E}{\partial h_i} = \sum_j w_{ij} (1 - s_j^2) \frac{\partial E}{\partial s_j}", RECURRENT),
        (r"\frac{\partial E}{\partial h} = w \left( (1 - s^2) \odot \frac{\partial E}{\partial s} \right)", RECURRENT),
        (r"\frac{\partial C}{\partial W} = x \delta^T", VECTORS),
        (r"\frac{\partial C}{\partial x} = W \delta", VECTORS),
    ],
    "sums": [
        (r"\frac{\partial E}{\partial w_{m,n}} = \delta_{i,j} o_{i+m,j+n}", SUMS),
        (r"\frac{\partial E}{\partial a_i} = w_{ij} \delta_j", DENSE),
        (r"\frac{\partial E}{\partial b} = \delta_{i,j}", PLAIN_CONV),
        (r"\frac{\partial E}{\partial b_k} = \sum_k \delta_{i,k}", CHANNELS),
        (r"\frac{\partial E}{\partial b_j} = \sum_j \delta_{nj}", BATCH),
        (r"\frac{\partial E}{\partial b_j} = \delta_{nj}", BATCH),
        (r"\frac{\partial E}{\partial w_{m,c,k}} = \sum_i \sum_k \delta_{i,k} o_{i+m,c}", CHANNELS),
        (r"\frac{\partial L}{\partial \mu} = 0", NORM),
    ],
    "signs and factors": [
        (r"\frac{\partial E}{\partial a_j} = t_j - a_j", TWO),
        (r"\frac{\partial E}{\partial a_j} = 2 (a_j - t_j)", TWO),
        (r"\frac{\partial E}{\partial z_j} = (a_j - t_j) a_j (1 + a_j)", TWO),
        (r"\frac{\partial E}{\partial z_j} = (a_j - t_j) z_j (1 - z_j)", TWO),
        (r"\frac{\partial E}{\partial z_j} = (a_j - t_j) \sigma'(a_j)", TWO),
        (r"\frac{\partial L}{\partial z_j} = t_j - p_j", ENTROPY),
        (r"\frac{\partial L}{\partial z_j} = p_j (1 - p_j)", ENTROPY),
        (r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} + p_j)", SOFTMAX),
        (r"\frac{\partial p_i}{\partial z_j} = p_i (1 - p_j)", SOFTMAX),
        (r"\frac{\partial L}{\partial z_i} = \delta_i (1 - \tanh z_i)", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i (1 + y_i^2)", TANH),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \frac{e^{z_i}}{1 + e^{-z_i}}", SIGMOID),
        (r"\frac{\partial L}{\partial z_i} = \delta_i \mathbb{1}[z_i < 0]", RELU),
        (r"\frac{\partial L}{\partial z_i} = \delta_i z_i \mathbb{1}[z_i > 0]", RELU),
        (
            r"\frac{\partial L}{\partial \sigma^2} = \sum_{i=1}^m \frac{\partial L}{\partial \hat{x}_i} (x_i - \mu)"
            r" \cdot \frac{-1}{2} (\sigma^2 + \epsilon)^{-1/2}",
            NORM,
        ),
        (
            r"\frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \frac{\partial"
            r" L}{\partial y_i}",
            NORM,
        ),
    ],
    "layers": [
        (r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_i \sum_j \delta_{i,j}^l o_{i+m,j+n}^{l}", CONV),
        (r"\frac{\partial C}{\partial w^{l+1}_{kj}} = z^l_j \delta^{l+1}_k", DEEP),
        (r"\delta^l_j = \sigma'(z^{l+1}_j) \sum_k w^{l+1}_{kj} \delta^{l+1}_k", DEEP),
        (r"\delta^l_j = \sum_k w^{l+1}_{kj} \delta^{l+1}_k", DEEP),
        (r"\delta^l_j = \sigma(z^l_j) \sum_k w^{l+1}_{kj} \delta^{l+1}_k", DEEP),
    ],
    "updates": [
        (r"w_{ij} \leftarrow w_{ij} + \eta \delta_j a_i", DENSE),
        (r"w_{ij} \leftarrow w_{ij} - \delta_j a_i", DENSE),
        (r"w_{ij} \leftarrow -\eta \delta_i x_j + w_{ji}", RESIDUAL),
        (r"\Delta w_{ij} = \eta \delta_j a_i", DENSE),
        (r"b_j := b_j - \frac{\eta}{2} \delta_j", DENSE),
        ("w[m,n] += eta * sum[i,j](delta[i,j]*o[i+m,j+n])", PLAIN_CONV),
    ],
    "chains": [
        (
            r"\frac{\partial E}{\partial w_{ij}} = \frac{\partial E}{\partial z_j} \frac{\partial z_j}{\partial"
            r" w_{ij}} = \delta_i a_i",
            DENSE,
        ),
        (
            r"\frac{\partial E}{\partial w_{ij}} = \frac{\partial E}{\partial a_i} \frac{\partial z_j}{\partial"
            r" w_{ij}} = \delta_j a_i",
            DENSE,
        ),
        (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_j \\ \frac{\partial E}{\partial b_j} = \delta_j", DENSE),
        (r"\delta_j = \frac{\partial E}{\partial z_j} = (a_j - t_j) \sigma'(z_j) = (t_j - a_j) a_j (1 - a_j)", TWO),
    ],
}


@pytest.mark.parametrize(("says", "of"), [pair for pairs in WRONG.values() for pair in pairs])
def test_wrong(says: str, of: str) -> None:
    report = check_equation(says, of)
    assert report.verdict is Verdict.WRONG, str(report)
