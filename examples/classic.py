"""The classic question: how is the kernel of a small convolutional network updated?

    o, 5x5 -> convolution with w, 2x2 -> max pooling -> sigmoid -> dense layer -> half squared error

Pooling lets the deltas of the feature map through at four places. What are the kernel's gradient and its new values,
and which deltas would a convolution before this one get?
"""

import numpy as np

from convgrad import bind, derivation, evaluate, parse

INPUT = np.array(
    [
        [0.51, 0.9, 0.88, 0.84, 0.05],
        [0.4, 0.62, 0.22, 0.59, 0.1],
        [0.11, 0.2, 0.74, 0.33, 0.14],
        [0.47, 0.01, 0.85, 0.7, 0.09],
        [0.76, 0.19, 0.72, 0.17, 0.57],
    ]
)
KERNEL = np.array([[-0.13, 0.15], [-0.51, 0.62]])
DELTAS = {(0, 2): 0.0686, (1, 1): 0.0364, (2, 1): 0.0467, (3, 3): -0.0681}

delta = np.zeros((4, 4))
for place, value in DELTAS.items():
    delta[place] = value

convolution = parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])")

for_kernel = derivation(convolution, "w")
print(for_kernel)
gradient = bind(for_kernel.result, {"dx": (4, 4), "o": (5, 5)}, {"M": 2, "N": 2})
dw = evaluate(gradient, {"dx": delta, "o": INPUT})["dw"]
print(f"\ndw =\n{dw.round(6)}\n")

update = bind(parse("w_next[m,n] = w[m,n] - eta * dw[m,n]"), {"w": (2, 2), "dw": (2, 2), "eta": ()})
print(update)
print(f"\nw_next =\n{evaluate(update, {'w': KERNEL, 'dw': dw, 'eta': 0.5})['w_next'].round(6)}\n")

for_input = derivation(convolution, "o").result
print(for_input)
gradient = bind(for_input, {"dx": (4, 4), "w": (2, 2)}, {"P": 5, "Q": 5, "M": 2, "N": 2})
print(f"\ndo =\n{evaluate(gradient, {'dx': delta, 'w': KERNEL})['do'].round(6)}")
