r"""Derivations as people post them, in Markdown, LaTeX, notebooks, web pages; each is right in all that it claims."""

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
