"""The right numbers at other places: axes exchanged, another order, reversed, moved, cut out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product

import numpy as np

from convgrad.check.structures.base import Array, Seen, Structure, listed

MOST = 720
"""Ways to cut one array out of another that are tried."""
FURTHEST = 3


def axes_exchanged(seen: Seen) -> Iterator[Structure]:
    """The axes in another order."""
    rank = seen.expected.ndim
    if seen.found.ndim != rank or not seen.enough() or rank > 6:
        return
    for order in sorted(permutations(range(rank)), key=lambda p: sum(a != n for n, a in enumerate(p))):
        moved = [n for n, a in enumerate(order) if a != n]
        if not moved or seen.found.shape != tuple(seen.expected.shape[a] for a in order):
            continue
        turned = seen.expected.transpose(order)
        if seen.is_near(turned):
            back = tuple(int(a) for a in np.argsort(order))
            if len(moved) == 2:
                words, change = f"with axes {moved[0]} and {moved[1]} exchanged", f"swapaxes({moved[0]}, {moved[1]})"
            else:
                words, change = f"with its axes in the order {order}", f"transpose{back}"
            yield Structure(
                "axes-exchanged",
                f"{{output}} is the right one {words}",
                f"Write {{output}}.{change}.",
                f"after {{output}}.{change}",
                seen.gap(turned),
            )
            return


def another_order(seen: Seen) -> Iterator[Structure]:
    """The right numbers, one after the other, of another order of axes: reshape where transpose is meant."""
    rank = seen.expected.ndim
    if seen.found.size != seen.expected.size or not seen.enough() or not 2 <= rank <= 6 or not _sizes(seen):
        return
    if seen.found.ndim == rank and not seen.same_shape and sorted(seen.found.shape) == sorted(seen.expected.shape):
        return  # its axes are exchanged, if anything
    flat = seen.found.ravel()
    for order in permutations(range(rank)):
        if order == tuple(range(rank)):
            continue
        for back in (False, True):
            predicted = _read_back(seen.expected, order) if back else seen.expected.transpose(order).ravel()
            gap = float(np.abs(flat - predicted).max())
            if gap > seen.tolerance:
                continue
            yield _mixed(seen, order, back, gap)
            return
    if seen.same_shape:
        return
    gap = float(np.abs(flat - seen.expected.ravel()).max())
    if gap <= seen.tolerance:
        yield Structure(
            "wrong-shape",
            "{output} holds the right numbers in the right order, but not in the right shape",
            f"Write {{output}}.reshape{tuple(seen.expected.shape)}.",
            f"after {{output}}.reshape{tuple(seen.expected.shape)}",
            gap,
        )


def _read_back(expected: Array, order: tuple[int, ...]) -> Array:
    """What comes out where the right numbers are read as if they stood in that order, and then turned back."""
    shape = [expected.shape[a] for a in order]
    read: Array = expected.reshape(shape).transpose(np.argsort(order)).ravel()
    return read


def _mixed(seen: Seen, order: tuple[int, ...], back: bool, gap: float) -> Structure:
    letters = [seen.axes[a] if a < len(seen.axes) else str(a) for a in range(seen.expected.ndim)]
    wanted, own = ", ".join(letters), ", ".join(letters[a] for a in order)
    turn = tuple(int(a) for a in np.argsort(order))
    if back:
        own, wanted = wanted, own
    shape = tuple(seen.expected.shape[a] for a in order)
    repair = f"transpose{order}.reshape{tuple(seen.expected.shape)}" if back else f"reshape{shape}.transpose{turn}"
    change = f"Write {{output}}.{repair}: reshape counts on, only transpose moves axes."
    return Structure(
        "order-mixed",
        f"{{output}} holds the right numbers in the wrong order: they are counted along the axes ({own}), and read as "
        f"({wanted}) by a reshape where a transpose is meant",
        change,
        "after putting the numbers of your {output} in the right order",
        gap,
    )


def _sizes(seen: Seen) -> bool:
    """Whether the same numbers are there, in any order."""
    found, expected = np.sort(seen.found, axis=None), np.sort(seen.expected, axis=None)
    return bool(np.abs(found - expected).max(initial=0.0) <= seen.tolerance)


def _holds_no_others(seen: Seen) -> bool:
    """Whether each number found, but 0, is one of the right ones."""
    found, expected = seen.found[seen.found != 0], np.sort(seen.expected, axis=None)
    above = np.searchsorted(expected, found).clip(0, expected.size - 1)
    gaps = np.minimum(np.abs(expected[above] - found), np.abs(expected[(above - 1).clip(0)] - found))
    return bool(gaps.max(initial=0.0) <= seen.tolerance)


def reversed_axes(seen: Seen) -> Iterator[Structure]:
    """Turned round along some axes, or by 90 degrees."""
    if not seen.enough():
        return
    rank = seen.expected.ndim
    if seen.same_shape:
        for count in range(1, min(rank, 4) + 1):
            for axes in combinations(range(rank), count):
                turned = np.flip(seen.expected, axes)
                if any(seen.expected.shape[a] > 1 for a in axes) and seen.is_near(turned):
                    which = f"ax{'es' if count > 1 else 'is'} {listed([str(a) for a in axes])}"
                    yield Structure(
                        "reversed",
                        f"{{output}} is reversed along {which}",
                        f"Write np.flip({{output}}, {axes}), or leave out the reversal that it has.",
                        f"after reversing your {{output}} along {which}",
                        seen.gap(turned),
                    )
                    return
    for axes in permutations(range(rank), 2):
        turned = np.rot90(seen.expected, 1, axes)
        if seen.is_near(turned):
            yield Structure(
                "reversed",
                f"{{output}} is turned by 90 degrees in the plane of axes {axes[0]} and {axes[1]}",
                f"Write np.rot90({{output}}, -1, {axes}): by 180 degrees it is np.rot90(w, 2).",
                "after turning your {output} back by 90 degrees",
                seen.gap(turned),
            )
            return


def moved(seen: Seen) -> Iterator[Structure]:
    """Moved along one or two axes, round the end or with zeros coming in."""
    if not seen.same_shape or not seen.enough():
        return
    shape = seen.expected.shape
    came_in = int(np.count_nonzero(seen.found == 0)) * max(shape) >= seen.found.size  # zeros enough for one place
    if not _holds_no_others(seen) if came_in else not _sizes(seen):
        return
    steps = [{axis: by} for axis, size in enumerate(shape) for by in sorted(range(1 - size, size), key=abs) if by]
    near = [by for by in range(-FURTHEST, FURTHEST + 1) if by]
    pairs = (axes for axes in combinations(range(len(shape)), 2) if min(shape[a] for a in axes) > 1)
    steps += [dict(zip(axes, by, strict=True)) for axes in pairs for by in product(near, near)]
    for step in steps:
        if any(abs(by) >= shape[axis] for axis, by in step.items()):
            continue
        for around in (True, False):
            predicted = np.roll(seen.expected, list(step.values()), list(step))
            if not around:
                for axis, by in step.items():
                    at = [slice(None)] * len(shape)
                    at[axis] = slice(0, by) if by > 0 else slice(by, None)
                    predicted[tuple(at)] = 0
            if not seen.is_near(predicted) or not predicted.any():
                continue
            words = listed(
                [
                    f"{abs(by)} place{'s' if abs(by) > 1 else ''} {'up' if by > 0 else 'down'} axis {axis}"
                    for axis, by in step.items()
                ]
            )
            rest = "the end goes on at the beginning" if around else "zeros come in"
            yield Structure(
                "shifted",
                f"{{output}} is moved by {words}; {rest}",
                "Look for an index that is off by that much: where padding is cropped, or a loop begins.",
                "after moving your {output} back",
                seen.gap(predicted),
            )
            return


def cut_out(seen: Seen) -> Iterator[Structure]:
    """A part of the right array, or one that holds the right one; or nothing at all."""
    found, expected = seen.found, seen.expected
    if found.size == 0 and expected.size:
        if found.ndim != expected.ndim or any(
            f not in (0, e) for f, e in zip(found.shape, expected.shape, strict=True)
        ):
            return
        yield Structure(
            "empty-slice",
            f"{{output}} is empty: it has the shape {found.shape}, as a slice [p:-p] gives it where p is 0",
            "Write padded[p:p+H, p:p+W]: with p = 0, [0:-0] is [0:0] and holds nothing.",
            "",
            0.0,
        )
        return
    if found.ndim != expected.ndim or found.shape == expected.shape or not found.size:
        return
    small, large = (found, expected) if found.size < expected.size else (expected, found)
    if any(s > n for s, n in zip(small.shape, large.shape, strict=True)) or np.count_nonzero(small) < 4:
        return
    starts = [range(n - s + 1) for s, n in zip(small.shape, large.shape, strict=True)]
    if np.prod([len(s) for s in starts]) > MOST:
        return
    for start in product(*starts):
        at = tuple(slice(a, a + s) for a, s in zip(start, small.shape, strict=True))
        gap = float(np.abs(large[at] - small).max())
        if gap > seen.tolerance:
            continue
        places = ", ".join(
            ":" if s == n else f"{a}:{a + s}" for a, s, n in zip(start, small.shape, large.shape, strict=True)
        )
        if small is found:
            cause = f"{{output}} is only a part of the right one, its [{places}]"
            change = f"Make it as large as it has to be, {expected.shape}: look at what is cropped, or where loops end."
            undone = f"beside the right one's [{places}]"
        else:
            cause = f"{{output}} is too large: the right one is its [{places}]"
            change, undone = f"Crop it: {{output}}[{places}].", f"after cropping your {{output}} to [{places}]"
        yield Structure("cropped" if small is found else "not-cropped", cause, change, undone, gap)
        return


def sums(seen: Seen) -> Iterator[Structure]:
    """Not summed over some axes, or summed over others than it should be."""
    found, expected = seen.found, seen.expected
    if found.ndim > expected.ndim and expected.size > 1:
        for axes in combinations(range(found.ndim), found.ndim - expected.ndim):
            total = found.sum(axis=axes)
            if total.shape == expected.shape and np.abs(total - expected).max() <= seen.tolerance:
                which = f"ax{'es' if len(axes) > 1 else 'is'} {listed([str(a) for a in axes])}"
                yield Structure(
                    "not-summed",
                    f"{{output}} is not summed over its {which}",
                    f"Write {{output}}.sum(axis={axes}).",
                    f"after summing your {{output}} over {which}",
                    float(np.abs(total - expected).max()),
                )
                return
    if found.size < 2 and expected.size < 2:
        return
    for name, array in seen.arrays.items():
        if array.ndim <= 1 or array.ndim > 5:
            continue
        subsets = [axes for count in range(1, array.ndim + 1) for axes in combinations(range(array.ndim), count)]
        right = next((a for a in subsets if _is(array.sum(axis=a), np.squeeze(expected), seen.tolerance)), None)
        if right is None:
            continue
        for axes in subsets:
            for total, what in ((array.sum(axis=axes), "summed"), (array.mean(axis=axes), "averaged")):
                if axes != right and _is(total, np.squeeze(found), seen.tolerance):
                    yield Structure(
                        "sum-over-wrong-axes",
                        f"{{output}} is {name} {what} over axes {axes}; it has to be summed over {right}",
                        f"Write {name}.sum(axis={right}).",
                        f"beside {name} {what} over axes {axes}",
                        float(np.abs(total - np.squeeze(found)).max()),
                    )
                    return


def _is(total: Array, wanted: Array, tolerance: float) -> bool:
    return total.shape == wanted.shape and bool(np.abs(total - wanted).max(initial=0.0) <= tolerance)
