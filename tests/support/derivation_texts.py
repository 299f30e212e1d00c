r"""Derivations as people post them, in Markdown, LaTeX, notebooks, web pages; each is right in all that it claims."""

import json

CORRELATION = r"""
Let a filter of $r \times c$ slide over an image of $P \times Q$ in layer $l$:

$$z^l_{i,j} = \sum_a \sum_b v^l_{a,b} \, u^{l-1}_{i+a, j+b} + c^l_{i,j}$$

The error is $J = \frac{1}{2} \sum_k (y_k - g_k)^2$. The result has $(P-r+1) \times (Q-c+1)$ entries: for
$4 \times 6$ and $2 \times 3$ that is $3 \times 4$.

$$\frac{\partial J}{\partial v^l_{a',b'}} = \sum_{i=0}^{P-r} \sum_{j=0}^{Q-c}
  \frac{\partial J}{\partial z^l_{i,j}} \frac{\partial z^l_{i,j}}{\partial v^l_{a',b'}}$$

We write $\delta^l_{i,j} = \frac{\partial J}{\partial z^l_{i,j}}$. Furthermore

$$\frac{\partial z^l_{i,j}}{\partial v^l_{a',b'}}
  = \frac{\partial}{\partial v^l_{a',b'}} \left( \sum_a \sum_b v^l_{a,b} u^{l-1}_{i+a,j+b} + c^l_{i,j} \right)$$

where only the terms with $a = a'$ and $b = b'$ are not zero:

$$\frac{\partial z^l_{i,j}}{\partial v^l_{a',b'}} = u^{l-1}_{i+a',j+b'}$$

$$\frac{\partial J}{\partial v^l_{a',b'}} = \sum_{i=0}^{P-r} \sum_{j=0}^{Q-c} \delta^l_{i,j} u^{l-1}_{i+a',j+b'}$$

$$v^{l(t+1)}_{a',b'} = v^{l(t)}_{a',b'} - \eta \frac{\partial J}{\partial v^l_{a',b'}}$$

```python
import numpy as np

u = np.array([[0.3, 0.7, 0.1, 0.9, 0.5, 0.2], [0.8, 0.4, 0.6, 0.2, 0.7, 0.1],
              [0.5, 0.3, 0.9, 0.6, 0.1, 0.8], [0.2, 0.6, 0.4, 0.7, 0.3, 0.5]])
delta = np.array([[0.0, 0.12, 0.0, -0.31], [0.25, 0.0, 0.17, 0.0], [0.0, -0.08, 0.0, 0.14]])
grad_v = np.array([[np.sum(delta * u[a:a + 3, b:b + 4]) for b in range(3)] for a in range(2)])
```

$$\begin{pmatrix} 0.167 & -0.067 & 0.379 \\ 0.31 & 0.042 & 0.249 \end{pmatrix}$$
"""

DENSE = r"""
\documentclass{article}
\usepackage{amsmath}
\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}}
\begin{document}
\section{One layer}
% the forward pass
The layer computes
\begin{align}
  z_j &= \sum_i w_{ij} x_i + b_j \\
  a_j &= \sigma(z_j)
\end{align}
and its error is
\begin{equation}
  E = \frac{1}{2} \sum_j (a_j - t_j)^2 .
\end{equation}
For the outputs
\begin{equation*}
  \pd{E}{a_j} = a_j - t_j .
\end{equation*}
The sigmoid has the derivative $\sigma'(z) = \sigma(z) (1 - \sigma(z))$, so that with $\delta_j = \pd{E}{z_j}$
\begin{align*}
  \delta_j &= \pd{E}{a_j} \sigma'(z_j) \\
           &= (a_j - t_j) \, a_j (1 - a_j), \\
  \pd{z_j}{w_{ij}} &= x_i, \\
  \pd{E}{w_{ij}} &= \delta_j x_i, \\
  \pd{E}{b_j} &= \delta_j, \\
  \pd{E}{x_i} &= \sum_j w_{ij} \delta_j .
\end{align*}
The weights become
\[ w_{ij} \leftarrow w_{ij} - \eta \, \delta_j x_i . \]
\begin{lstlisting}[language=Python]
x = np.array([0.6, -0.4, 0.9])
w = np.array([[0.3, -0.8], [0.5, 0.2], [-0.7, 0.4]])
b = np.array([0.1, -0.2])
t = np.array([1.0, 0.0])
z = x @ w + b
a = 1 / (1 + np.exp(-z))
delta = (a - t) * a * (1 - a)
dw = np.outer(x, delta)
db = delta
dx = w @ delta
\end{lstlisting}
With these numbers
\[ \pd{E}{w} = \begin{pmatrix} -0.0883 & 0.0579 \\ 0.0588 & -0.0386 \\ -0.132 & 0.0868 \end{pmatrix} . \]
\end{document}
"""

SOFTMAX = r"""
<html><head><title>Softmax</title><script src="mathjax.js"></script></head><body>
<h1>Softmax and cross-entropy</h1>
<p>Scores become probabilities, \( p_j = \frac{e^{z_j}}{\sum_k e^{z_k}} \), and the loss is
\( L = -\sum_j t_j \log(p_j) \) with a one-hot target.</p>
<p>Their derivative is</p>
$$ \frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j) $$
<p>and for $i = j$ it is $\frac{\partial p_i}{\partial z_j} = p_i (1 - p_i)$. Hence
<span class="katex"><span class="katex-mathml"><math><semantics><mrow></mrow><annotation encoding="application/x-tex">
\frac{\partial L}{\partial z_j} = p_j - t_j</annotation></semantics></math></span>
<span class="katex-html" aria-hidden="true">dL/dz = p - t</span></span>.</p>
<pre><code class="language-python">import numpy as np
z = np.array([0.4, 1.3, -0.5])
t = np.array([0.0, 1.0, 0.0])
p = np.exp(z) / np.exp(z).sum()
dz = p - t
print(dz.round(4))
</code></pre>
<pre>[ 0.2587 -0.3638  0.1052]</pre>
</body></html>
"""

TWO = r"""
Two convolutions, one after the other, each followed by ReLU:

$$x^{(1)}_{i,j} = \sum_m \sum_n w^{(1)}_{m,n} o^{(0)}_{i+m,j+n} + b^{(1)}$$
$$o^{(1)}_{i,j} = \max(0, x^{(1)}_{i,j})$$
$$x^{(2)}_{i,j} = \sum_m \sum_n w^{(2)}_{m,n} o^{(1)}_{i+m,j+n} + b^{(2)}$$

Let $\delta^{(2)}_{i,j} = \frac{\partial E}{\partial x^{(2)}_{i,j}}$. Then

$$\frac{\partial E}{\partial w^{(2)}_{m,n}} = \sum_{i,j} \delta^{(2)}_{i,j} o^{(1)}_{i+m,j+n}$$
$$\frac{\partial E}{\partial b^{(2)}} = \sum_{i,j} \delta^{(2)}_{i,j}$$
$$\frac{\partial E}{\partial o^{(1)}_{p,q}} = \sum_m \sum_n \delta^{(2)}_{p-m,q-n} w^{(2)}_{m,n}$$

and through ReLU

$$\frac{\partial E}{\partial x^{(1)}_{p,q}} =
\begin{cases} \frac{\partial E}{\partial o^{(1)}_{p,q}} & x^{(1)}_{p,q} > 0 \\ 0 & \text{otherwise} \end{cases}$$

With $\delta^{(1)}_{i,j} = \frac{\partial E}{\partial x^{(1)}_{i,j}}$ the first kernel's gradient is

$$\frac{\partial E}{\partial w^{(1)}_{m,n}} = \sum_{i,j} \delta^{(1)}_{i,j} o^{(0)}_{i+m,j+n}$$
$$w^{(1)}_{m,n} \leftarrow w^{(1)}_{m,n} - \eta \sum_{i,j} \delta^{(1)}_{i,j} o^{(0)}_{i+m,j+n}$$

A 9x8 image and a 3x2 kernel give a 7x7 map; a 2x4 kernel makes 6x4 of that.
"""

POOLING = json.dumps(
    {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "markdown",
                "source": [
                    "# Max pooling\n",
                    "A 2x2 window with stride 2 over a 4x6 input gives 2x3:\n",
                    "\n",
                    r"$$y_{i,j} = \max_{m,n} o_{2i+m, 2j+n}$$" "\n",
                    "\n",
                    "Take the numbers\n",
                    r"$$o = \begin{bmatrix} 1 & 5 & 2 & 0 & 3 & 1 \\ 4 & 2 & 7 & 1 & 0 & 2 \\ 3 & 1 & 0 & 6 & 2 & 9 \\"
                    r" 8 & 0 & 4 & 2 & 5 & 1 \end{bmatrix}$$"
                    "\n",
                    r"$$y = \begin{bmatrix} 5 & 7 & 3 \\ 8 & 6 & 9 \end{bmatrix}$$" "\n",
                    "\n",
                    "The gradient goes to the winners alone: with\n",
                    r"$$\frac{\partial E}{\partial y} = \begin{bmatrix} 0.1 & 0.2 & 0.3 \\"
                    r" 0.4 & 0.5 & 0.6 \end{bmatrix}$$"
                    "\n",
                    "it is\n",
                    r"$$\frac{\partial E}{\partial o} = \begin{bmatrix} 0 & 0.1 & 0 & 0 & 0.3 & 0 \\"
                    r" 0 & 0 & 0.2 & 0 & 0 & 0 \\"
                    r" 0 & 0 & 0 & 0.5 & 0 & 0.6 \\ 0.4 & 0 & 0 & 0 & 0 & 0 \end{bmatrix}$$",
                ],
            },
            {
                "cell_type": "code",
                "source": [
                    "import numpy as np\n",
                    "o = np.array([[1, 5, 2, 0, 3, 1], [4, 2, 7, 1, 0, 2],\n",
                    "              [3, 1, 0, 6, 2, 9], [8, 0, 4, 2, 5, 1]], float)\n",
                    "dy = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])\n",
                ],
                "outputs": [],
            },
            {
                "cell_type": "code",
                "source": [
                    "y = o.reshape(2, 2, 3, 2).max(axis=(1, 3))\n",
                    "do = np.where(o == y.repeat(2, 0).repeat(2, 1), dy.repeat(2, 0).repeat(2, 1), 0)\n",
                    "print(do.sum().round(6))\n",
                    "y",
                ],
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["2.1\n"]},
                    {
                        "output_type": "execute_result",
                        "data": {"text/plain": ["array([[5., 7., 3.],\n", "       [8., 6., 9.]])"]},
                    },
                ],
            },
        ],
    }
)
