"""The classic question: how is the kernel of a small convolutional network updated?"""

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
print(derivation(convolution, "w"))

gradient = bind(derivation(convolution, "w").result, {"dx": (4, 4), "o": (5, 5)}, {"M": 2, "N": 2})
dw = evaluate(gradient, {"dx": delta, "o": INPUT})["dw"]
print("\ndw =", dw.round(6).tolist())

update = bind(parse("w_next[m,n] = w[m,n] - eta * dw[m,n]"), {"w": (2, 2), "dw": (2, 2), "eta": ()})
print("w_next =", evaluate(update, {"w": KERNEL, "dw": dw, "eta": 0.5})["w_next"].round(6).tolist())
