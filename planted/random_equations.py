"""Random equations of a person's own, each with a function of NumPy arrays that computes it or its gradients.

An equation is a sum of products, of tensors or functions of them, with a shift where there is one, and now and then a
function of it all; or a window that slides. The function is written beside it, as einsum or as loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from random_right import Random, Written, assembled, choose, returned

LETTERS = "ijknmp"
TENSORS = ("a", "q", "u", "g", "c")
OF_ONE = {
    "": ("{0}", "{0}", "1.0"),
    "square": ("{0}^2", "{0} ** 2", "2 * {0}"),
    "cube": ("{0}^3", "{0} ** 3", "3 * {0} ** 2"),
    "exp": ("exp({0})", "np.exp({0})", "np.exp({0})"),
    "tanh": ("tanh({0})", "np.tanh({0})", "(1 - np.tanh({0}) ** 2)"),
    "sigmoid": ("sigmoid({0})", "(1 / (1 + np.exp(-{0})))", "(np.exp(-{0}) / (1 + np.exp(-{0})) ** 2)"),
}
"""A function as the notation writes it, its value in NumPy, and its derivative."""


def random_equation(rng: Random) -> Written:
    """A random equation with a right function."""
    return _window(rng) if rng.integers(4) == 0 else _products(rng)


def _some(rng: Random, letters: Sequence[str], most: int) -> str:
    count = int(rng.integers(1, min(most, len(letters)) + 1))
    return "".join(rng.permutation(list(letters))[:count])


def _products(rng: Random) -> Written:
    """y[..] = f(sum[..](g(a[..]) * h(q[..])) + b[..])."""
    factors = [_some(rng, LETTERS[:4], 3) for _ in range(int(rng.integers(1, 4)))]
    used = sorted(set("".join(factors)))
    out = _some(rng, used, 2)
    summed = [i for i in used if i not in out]
    names = TENSORS[: len(factors)]
    functions = [choose(rng, ("", "", *OF_ONE)) for _ in factors]
    shifted, outer = bool(rng.integers(2)), choose(rng, ("", "", "tanh", "sigmoid", "square"))
    terms = [OF_ONE[f][0].format(f"{n}[{','.join(i)}]") for n, i, f in zip(names, factors, functions, strict=True)]
    body = " * ".join(terms)
    body = f"sum[{','.join(summed)}]({body})" if summed else body
    body += f" + b[{out[0]}]" if shifted else ""
    here = f"[{','.join(out)}]"
    text = f"z{here} = {body}\ny{here} = {OF_ONE[outer][0].format(f'z{here}')}" if outer else f"y{here} = {body}"
    forward = bool(rng.integers(4) == 0)
    loops = bool(rng.integers(3) == 0)
    lines = [f"f_{n} = {OF_ONE[f][1].format(n)}" for n, f in zip(names, functions, strict=True)]
    shift = "" if not shifted else " + b" if out[0] == out[-1] else " + b[:, None]"
    subscripts = f"{','.join(factors)}->{out}"
    lines.append(f"z = np.einsum('{subscripts}', {', '.join('f_' + n for n in names)}){shift}")
    wanted = [*names, *(["b"] if shifted else [])]
    if forward:
        lines.append(f"y = {OF_ONE[outer][1].format('z')}")
        results = ["y"]
    else:
        lines.append(f"dz = dy * {OF_ONE[outer][2].format('z')}")
        for n in range(len(factors)):
            lines += (_by_loops if loops else _by_einsum)(n, names, factors, out, OF_ONE[functions[n]][2])
        if shifted:
            lines.append(f"db = {'dz' if len(out) == 1 else 'dz.sum(axis=1)'}")
        wanted = wanted if rng.integers(2) else [str(n) for n in rng.permutation(wanted)]
        results = [f"d{n}" for n in wanted[: int(rng.integers(1, len(wanted) + 1))]]
    tensors = dict(zip(names, factors, strict=True)) | ({"b": out[0]} if shifted else {})
    arguments = list(tensors) if forward else ["dy", *tensors] if rng.integers(2) else [*tensors, "dy"]
    source = assembled(arguments, [], "\n".join(lines), [], returned(rng, results))

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        sizes = {i: n for n, i in zip(random.permutation(range(2, 8)), used, strict=False)}
        sizes = {i: int(random.integers(1, 3)) for i in used} if special else sizes
        made = {n: random.normal(size=[sizes[i] for i in at]) for n, at in {**tensors, "dy": out}.items()}
        return {a: made[a] for a in arguments}

    return Written(source, text, inputs)


def _by_einsum(n: int, names: Sequence[str], factors: Sequence[str], out: str, slope: str) -> list[str]:
    """The gradient of one factor: the others with the gradient from above."""
    others = [(f"f_{names[o]}", factors[o]) for o in range(len(names)) if o != n]
    if not set(factors[n]) <= set(out + "".join(i for _, i in others)):
        others.append((f"np.ones_like({names[n]})", factors[n]))
    subscripts = f"{','.join([out, *(i for _, i in others)])}->{factors[n]}"
    arrays = ", ".join(["dz", *(a for a, _ in others)])
    return [f"d{names[n]} = np.einsum('{subscripts}', {arrays}) * {slope.format(names[n])}"]


def _by_loops(n: int, names: Sequence[str], factors: Sequence[str], out: str, slope: str) -> list[str]:
    """The same, one number at a time."""
    sizes = {i: f"{a}.shape[{at.index(i)}]" for a, at in zip(names, factors, strict=True) for i in at}
    every = list(sizes)
    product = [f"dz[{', '.join(out)}]"]
    product += [f"f_{a}[{', '.join(at)}]" for o, (a, at) in enumerate(zip(names, factors, strict=True)) if o != n]
    name = names[n]
    lines = [f"d{name} = np.zeros_like({name})"]
    lines += [f"{'    ' * depth}for {i} in range({sizes[i]}):" for depth, i in enumerate(every)]
    lines.append(f"{'    ' * len(every)}d{name}[{', '.join(factors[n])}] += {' * '.join(product)}")
    return [*lines, f"d{name} = d{name} * {slope.format(name)}"]


def _window(rng: Random) -> Written:
    """x[i,k] = sum[m](w[m,k] * o[s*i + d*m]), or with its bias."""
    step, apart = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    shifted, forward = bool(rng.integers(2)), bool(rng.integers(4) == 0)
    place = f"{f'{step}*' if step > 1 else ''}i+{f'{apart}*' if apart > 1 else ''}m"
    text = f"x[i,k] = sum[m](w[m,k] * o[{place}]){' + b[k]' if shifted else ''}"
    extra = ["b"] if shifted else []
    if forward:
        lines = [
            f"x = np.zeros(((o.shape[0] - {apart} * (w.shape[0] - 1) - 1) // {step} + 1, w.shape[1]))",
            "for i in range(x.shape[0]):",
            "    for m in range(w.shape[0]):",
            f"        x[i] += w[m] * o[{step} * i + {apart} * m]",
            *(["x = x + b"] if shifted else []),
        ]
        results = ["x"]
    else:
        lines = [
            "do, dw = np.zeros_like(o), np.zeros_like(w)",
            "for i in range(dx.shape[0]):",
            "    for m in range(w.shape[0]):",
            f"        do[{step} * i + {apart} * m] += np.sum(dx[i] * w[m])",
            f"        dw[m] += dx[i] * o[{step} * i + {apart} * m]",
            *(["db = dx.sum(axis=0)"] if shifted else []),
        ]
        results = choose(rng, (["do", "dw", *(f"d{n}" for n in extra)], ["dw"], ["do"]))
    arguments = ["o", "w", *extra] if forward else ["dx", "o", "w", *extra]
    source = assembled(arguments, [], "\n".join(lines), [], returned(rng, results))

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        m, k, rows = (int(n) for n in random.integers(1, 4, 3)) if special else (3, 4, 5)
        length = step * (rows - 1) + apart * (m - 1) + 1 + (0 if special else int(random.integers(step)))
        made = {"o": random.normal(size=length), "w": random.normal(size=(m, k)), "b": random.normal(size=k)}
        made["dx"] = random.normal(size=(rows, k))
        return {a: made[a] for a in arguments}

    return Written(source, text, inputs)
