"""The equations that networks are made of, and awkward ones, with sizes that differ on every axis."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from convgrad.notation import bind, parse
from convgrad.notation.terms import Equation


@dataclass(frozen=True)
class Case:
    text: str
    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int] = field(default_factory=dict)
    integers: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    def bound(self) -> tuple[Equation, dict[str, np.ndarray]]:
        equation = bind(parse(self.text), self.shapes, self.sizes, self.integers)
        rng = np.random.default_rng(3)
        arrays = {name: rng.standard_normal(equation.shape_of[name]) for name in equation.inputs}
        arrays |= {name: np.asarray(float(value)) for name, value in self.labels.items()}
        return equation, arrays

    @property
    def differentiable(self) -> list[str]:
        """The inputs to check: all but labels and seeds."""
        equation, _ = self.bound()
        return [name for name in equation.inputs if name not in self.labels]


CASES = {
    "conv1d": Case("x[i,k] = sum[m,c](w[m,c,k] * o[s*i+d*m-p,c else 0]) + b[k]",
                   {"w": (3, 2, 5), "o": (11, 2)}, {"I": 5}, {"s": 2, "d": 2, "p": 2}),
    "conv2d": Case("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]", {"w": (2, 3, 2, 4), "o": (5, 7, 2)}),
    "conv2d strided and padded": Case(
        "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0]) + b[i,j,k]",
        {"w": (3, 2, 2, 3), "o": (7, 5, 2)}, {"I": 3, "J": 4}, {"s": 3, "d": 2, "p": 2}),
    "conv2d in groups": Case("x[i,j,g,k] = sum[m,n,c](w[m,n,c,g,k] * o[i+m,j+n,g,c]) + b[g,k]",
                             {"w": (2, 3, 2, 3, 4), "o": (4, 5, 3, 2)}),
    "conv3d": Case("x[i,j,l,k] = sum[m,n,r,c](w[m,n,r,c,k] * o[2*i+m,j+n,l+r,c])",
                   {"w": (2, 3, 2, 2, 3), "o": (5, 4, 6, 2)}),
    "depthwise": Case("x[i,j,c] = sum[m,n](w[m,n,c] * o[i+m,j+n,c]) + b[c]", {"w": (2, 3, 5), "o": (4, 5, 5)}),
    "transposed": Case("x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i+p-m)/s,(j+p-n)/s,c else 0]) + b[k]",
                       {"w": (3, 2, 2, 3), "o": (3, 4, 3)}, {"I": 7, "J": 9}, {"s": 2, "p": 1}),
    "max pooling": Case("x[i,j,c] = max[m,n](o[2*i+m,2*j+n,c])", {"o": (6, 4, 3)}, {"M": 2, "N": 2, "I": 3, "J": 2}),
    "max pooling, overlapping and padded": Case(
        "x[i,j,c] = max[m,n](o[2*i+m-1,2*j+n-1,c else -inf])", {"o": (7, 5, 2)}, {"M": 3, "N": 3, "I": 4, "J": 3}),
    "max pooling with gaps": Case("x[i] = max[m](o[3*i+m])", {"o": (11,)}, {"M": 2, "I": 4}),
    "min pooling of a product": Case("x[i] = min[m](w[m] * o[i+m])", {"w": (3,), "o": (7,)}),
    "average pooling": Case("x[i,j,c] = mean[m,n](o[2*i+m,3*j+n,c])", {"o": (5, 8, 2)},
                            {"M": 2, "N": 3, "I": 2, "J": 2}),
    "average pooling, padded, by count": Case(
        "x[i] = sum[m](o[2*i+m-1 else 0]) / sum[m](where(2*i+m-1 >= 0, where(2*i+m-1 < 7, 1, 0), 0))",
        {"o": (7,)}, {"M": 3, "I": 4}),
    "dense": Case("x[k] = sum[c](w[c,k] * o[c]) + b[k]", {"w": (5, 3), "o": (5,)}),
    "softmax": Case("z[k] = exp(o[k] - stop(max[l](o[l])))\nx[k] = z[k] / sum[l](z[l])", {"o": (5,)}),
    "half squared error": Case("E = 1/2 * sum[k]((t[k] - y[k])^2)", {"t": (5,), "y": (5,)}),
    "cross-entropy with smoothing": Case(
        "z[k] = y[k] - stop(max[l](y[l]))\ns = sum[k](exp(z[k]))\n"
        "E = log(s) - sum[k]((where(k == t, 0.9, 0) + 0.1/K) * z[k])",
        {"y": (5,), "t": ()}, labels={"t": 3}),
    "binary cross-entropy": Case("E = mean[k](softplus(y[k]) - t[k] * y[k])", {"y": (5,), "t": (5,)}),
    "batch normalization": Case(
        "mu[c] = mean[e,i](o[e,i,c])\nv[c] = mean[e,i]((o[e,i,c] - mu[c])^2)\n"
        "x[e,i,c] = gamma[c] * (o[e,i,c] - mu[c]) / sqrt(v[c] + 0.1) + beta[c]",
        {"o": (3, 5, 2), "gamma": (2,), "beta": (2,)}),
    "joined": Case("x[i,k] = a[i,k-z else 0] + b[i,k-A else 0]",
                   {"a": (3, 2), "b": (3, 4)}, {"K": 6}, {"z": 0, "A": 2}),
    "joined by a condition": Case("x[k] = where(k < A, a[k-z else 0], 2 * b[k-A else 0])",
                                  {"a": (2,), "b": (4,)}, {"K": 6}, {"z": 0, "A": 2}),
    "mean squared error": Case("E = mean[i,j]((y[i,j] - t[i,j])^2)", {"t": (3, 5), "y": (3, 5)}),
    "layer normalization": Case(
        "mu[i] = mean[c](o[i,c])\nv[i] = mean[c]((o[i,c] - mu[i])^2)\n"
        "x[i,c] = gamma[c] * (o[i,c] - mu[i]) / sqrt(v[i] + 0.1) + beta[c]",
        {"o": (3, 5), "gamma": (5,), "beta": (5,)}),
    "group normalization": Case(
        "mu[g] = mean[i,j,c](o[i,j,g,c])\nv[g] = mean[i,j,c]((o[i,j,g,c] - mu[g])^2)\n"
        "x[i,j,g,c] = gamma[g,c] * (o[i,j,g,c] - mu[g]) / sqrt(v[g] + 0.1) + beta[g,c]",
        {"o": (2, 3, 2, 3), "gamma": (2, 3), "beta": (2, 3)}),
    "normalization in one line": Case("x[c] = (o[c] - mean[k](o[k])) / sqrt(mean[l]((o[l] - mean[k](o[k]))^2) + 0.1)",
                                      {"o": (5,)}),
    "dropout": Case("x[i,j] = where(uniform(seed, J * i + j) < 0.6, o[i,j] / 0.6, 0)", {"o": (5, 7), "seed": ()},
                    labels={"seed": 11}),
    "activation gelu": Case("x[i] = 0.5 * o[i] * (1 + erf(o[i] / 2^0.5))", {"o": (7,)}),
    "activation silu": Case("x[i] = o[i] * sigmoid(o[i])", {"o": (7,)}),
    "activation elu": Case("x[i] = where(o[i] > 0, o[i], 0.7 * (exp(o[i]) - 1))", {"o": (7,)}),
    "activation leaky relu": Case("x[i] = max(o[i], 0) + 0.1 * min(o[i], 0)", {"o": (7,)}),
    "convolution, activation and pooling in one": Case(
        "x[i,c] = max[m](tanh(sum[n,k](w[n,k,c] * o[2*i+m+n,k]) + b[c]))",
        {"w": (3, 2, 3), "o": (9, 2), "b": (3,)}, {"M": 2, "I": 3}),
    "attention": Case(
        "s[i,j] = sum[c](q[i,c] * k[j,c])\nz[i,j] = exp(s[i,j] - stop(max[l](s[i,l])))\n"
        "p[i,j] = z[i,j] / sum[l](z[i,l])\nx[i,c] = sum[j](p[i,j] * v[j,c])",
        {"q": (3, 2), "k": (5, 2), "v": (5, 2)}),
    "nearest neighbours": Case("x[i] = a[i/2 else 0] + a[(i-1)/2 else 0]", {"a": (4,)}, {"I": 8}),
    # Awkward ones
    "every function": Case(
        "x[i] = exp(tanh(a[i])) + log(1 + a[i]^2) * sqrt(2 + sigmoid(a[i])) - erf(a[i]) / softplus(a[i]) + abs(a[i])"
        " + max(a[i], b[i]) * min(a[i], 0.3) + a[i]^3 + (1 + b[i]^2)^-0.5", {"a": (7,), "b": (7,)}),
    "read twice": Case("x[i] = a[i+z] * a[i+1] + a[2]", {"a": (7,)}, {"I": 6}, {"z": 0}),
    "read backwards": Case("x[i] = a[P-1-i] * w[i]", {"a": (7,), "w": (7,)}, integers={"P": 7}),
    "diagonal": Case("x[i] = a[i,i] * a[i,2]", {"a": (5, 5)}),
    "fixed element": Case("x[i] = a[0] * b[i] + a[4]^2", {"a": (5,), "b": (3,)}),
    "sheared": Case("x[i,j] = a[i+j,i-j+2] * w[i]", {"a": (6, 5), "w": (3,)}, {"I": 3, "J": 3}),
    "skewed by coefficients": Case("x[i,j] = a[2*i+3*j]", {"a": (14,)}, {"I": 3, "J": 4}),
    "a reduction alone": Case("x[i] = sum[m](a[2*m] * b[i,m])", {"a": (7,), "b": (3, 4)}),
    "a reduction that reads a part": Case("x[i] = sum[m](a[m+1] * b[i])", {"a": (7,), "b": (3,)}, {"M": 4}),
    "a reduction that reads the beginning": Case("x[i] = sum[m](a[m+z] * b[i])", {"a": (7,), "b": (3,)}, {"M": 4},
                                                 {"z": 0}),
    "a maximum over the beginning": Case("x[i] = max[m](a[i+z,m+z])", {"a": (5, 7)}, {"I": 3, "M": 4}, {"z": 0}),
    "denominator read outside": Case("x[i] = sum[m](o[i+m-1 else 0] / (1 + w[i,m]^2))", {"o": (5,), "w": (5, 3)}),
    "slope inside the sum": Case("x[i] = sum[m](w[m] / (2 + u[i,m] * o[i+m]))", {"w": (3,), "o": (6,), "u": (4, 3)}),
    "sum of a sum": Case("x[i] = sum[m](w[m] * sum[n](v[n] * o[i+m+n])^2)", {"w": (2,), "v": (3,), "o": (7,)}),
    "product of sums": Case("x[i] = sum[m](a[i+m]) * sum[m](a[i+m] * w[m])", {"w": (3,), "a": (7,)}),
    "three factors": Case("x[i,k] = sum[m,c](u[m,c] * v[c,k] * o[i+m,c])", {"u": (2, 3), "v": (3, 4), "o": (5, 3)}),
    "index as a number": Case("x[i] = a[i] * (i + 1) / (I + 2)", {"a": (5,)}),
    "other value outside": Case("x[i] = sum[m](w[m] * a[i+m-1 else 2])", {"w": (3,), "a": (5,)}, {"I": 5}),
    "through three definitions": Case("y[i] = a[i] * b\nz[j] = sum[i](y[i] * w[i,j])\nx[i] = y[i] * z[0] + z[1]",
                                      {"a": (3,), "b": (), "w": (3, 2)}),
    "names that a derivation would take": Case("x[p,q] = sum[r](a[p+r,q] * b[r] * u[q])",
                                               {"a": (5, 3), "b": (2,), "u": (3,)}),
    "one tensor under two index forms": Case("x[i,j] = a[i,j] * a[j,3-i] + a[2,j]", {"a": (4, 4)}),
    "one tensor in several definitions": Case(
        "y[i] = a[i+1] * b[4-i]\nz[j] = sum[i](y[i] * a[i+j])\nx = sum[j](z[j]^2) * sum[k](a[k]^3)",
        {"a": (7,), "b": (5,)}, {"I": 5, "J": 3}),
    "the same sum twice": Case("x[i] = sum[m](a[i+m]) / (1 + sum[m](a[i+m])^2)", {"a": (7,)}, {"M": 2}),
    "a coefficient in front of a sum": Case("x[i] = 3 * (2 - sum[m](a[i+m] * w[m])) / 4", {"a": (7,), "w": (3,)}),
    "an index that the sum does not touch": Case("x[i] = sum[m,n](a[i+m])", {"a": (7,)}, {"M": 3, "N": 2}),
    "cropped": Case("x[k] = sum[m,n,c](w[m,n,c,k] * o[m+1,n+2,c])", {"w": (2, 3, 2, 3), "o": (4, 5, 2)}),
    "cropped and subsampled": Case("x[k] = sum[m,n](w[m,n,k] * o[2*m,3*n+1])", {"w": (2, 3, 3), "o": (4, 8)}),
    "a cropped mean": Case("x[c] = mean[m](o[m+1,c])", {"o": (7, 2)}, {"M": 4}),
    "a cropped maximum": Case("x[c] = max[m,n](o[m+1,n+1,c])", {"o": (7, 5, 2)}, {"M": 4, "N": 3}),
    "a subsampled maximum": Case("x[c] = max[m](o[2*m+1,c] * w[c])", {"o": (7, 2), "w": (2,)}, {"M": 3}),
    "a padded crop": Case("x[k] = sum[m](w[m,k] * o[m-1 else 1])", {"o": (3,), "w": (5, 2)}),
    "two reduced indices on one axis": Case("x[k] = sum[m,n](w[m,n,k] * o[m+2*n])", {"o": (7,), "w": (3, 3, 2)}),
    "two reduced indices on one axis, nothing else": Case("x = sum[m,n](o[m+2*n]^2)", {"o": (7,)}, {"M": 3, "N": 3}),
    "an index of a reduction in two positions": Case("x[i] = sum[m](o[i+m,2*m] * w[m])", {"o": (6, 5), "w": (3,)}),
    "a divided index in two positions": Case("x[i,j] = o[2*i+j,i+1]", {"o": (8, 5)}, {"I": 4, "J": 2}),
    "not to be read outside: a denominator with indices": Case(
        "x[i] = sum[m](w[m] * o[i+m] / (i - m + 3))", {"w": (3,), "o": (7,)}),
    "not to be read outside: the result's denominator": Case(
        "x[i] = sum[m](w[m] * o[i+m]) / (i + 1)", {"w": (3,), "o": (7,)}),
    "not to be read outside: a power": Case(
        "x[i] = sum[m](w[m] * o[i+m] * (i + 1)^-0.5)", {"w": (3,), "o": (7,)}),
    "not to be read outside: a logarithm": Case(
        "x[i] = sum[m](w[m] * o[i+m] * log(i + 1))", {"w": (3,), "o": (7,)}),
    "not to be read outside: a root": Case(
        "x[i] = sum[m](w[m] * o[i+m] * sqrt(u[i]^2 - u[3]^2 + 9))", {"w": (3,), "o": (7,), "u": (5,)}),
    "not to be read outside: an exponential": Case(
        "x[i] = sum[m](w[m] * o[i+m] * exp(u[i] - v[m]))", {"w": (3,), "o": (7,), "u": (5,), "v": (3,)}),
    "not to be read outside: infinity": Case(
        "x[i] = sum[m](w[m] * o[i+m] * min(2, u[i+m-1 else inf]))", {"w": (3,), "o": (7,), "u": (6,)}, {"I": 5}),
    "a maximum that never is where it is read": Case("x[i] = max[m](a[m-2,i else 0] + b[m])", {"a": (1, 3), "b": (2,)}),
    "an index that one sum keeps and another one reads alone": Case(
        "x[i] = sum[m](w[m+1] * a[m]) * u[i] + sum[m,n](a[2*i+n-1 else 0] * v[m,n])",
        {"a": (5,), "w": (6,), "u": (4,), "v": (5, 3)}),
    "the names of an index with two sizes": Case(
        "y[i] = a[i] * b[i]\nx[j] = sum[i](y[2*i] * y[2*i+1] * w[i,j])", {"a": (7,), "b": (7,), "w": (3, 2)}),
    "primes in the equation": Case("x[i'] = sum[i](a[i'+i] * b[i]) + c[i']", {"a": (5,), "b": (2,), "c": (4,)}),
    "primes in the equation, of the reduction": Case(
        "x[i] = sum[i',m](a[i+i'+m] * b[i',m])", {"a": (9,), "b": (2, 3)}),
    "tensors named like places of extremes": Case(
        "x_arg = sum[k](a[k])\nx[i] = max[m](x_arg * a[i+m])", {"a": (5,)}, {"M": 2}),
    "tensors named like those that a derivation adds": Case(
        "x[i] = dx_sum[i] * x_sum2[i] * sum[m](a[m] * b[i] / (x_slope[m] + 5))",
        {"a": (5,), "b": (2,), "dx_sum": (2,), "x_sum2": (2,), "x_slope": (5,)}),
    "dots in names": Case("conv.x[i] = sum[m](conv.w[m] * in.o[i+m])\nE = sum[i](conv.x[i]^2)",
                          {"conv.w": (3,), "in.o": (7,)}),
    "an index named like the last prime": Case("x[i] = sum[i',m](a[i,m] * b[i',m])", {"a": (3, 2), "b": (5, 2)}),
}  # fmt: skip
