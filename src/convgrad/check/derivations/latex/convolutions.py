"""What `*` between arrays may mean: a correlation or a convolution, valid or full, of which one of the two slides."""

from __future__ import annotations

from functools import partial

from convgrad.check.derivations.latex.arrays import Arrays, Places, Value, Way, multiplied
from convgrad.notation.polynomial import ONE, Polynomial, Position
from convgrad.notation.terms import Access, Reduce, Term

KINDS = ("correlation", "convolution")
MODES = ("valid", "full")


def starred(arrays: Arrays, one: Value, two: Value, kind: str = "", mode: str = "", sign: str = "*") -> Value:
    """One of the operations, chosen where neither the kind nor the mode is said."""
    if not one.rank or not two.rank:
        return arrays.elementwise(one, two)
    options: list[Way] = []
    if one.rank == two.rank and one.rank <= 3:
        for a_kind in [kind] if kind else KINDS:
            for a_mode in [mode] if mode else MODES:
                for slides, over in ((one, two), (two, one)):
                    if a_kind == "convolution" and a_mode == "full" and slides is two:
                        continue  # the same
                    note = _note(sign, slides, over, a_kind, a_mode, bool(kind))
                    options.append((partial(_slid, arrays, slides, over, a_kind, a_mode), note))
    if not kind:
        by_number: Way = (lambda: arrays.elementwise(one, two), f"`{sign}` was read as a product number by number.")
        of_matrices: Way = (lambda: arrays.product(one, two), f"`{sign}` was read as a product of matrices.")
        options += ([by_number] if one.rank == two.rank else []) + (
            [of_matrices] if one.rank <= 2 and two.rank <= 2 else []
        )
    if not options:
        message = f"`{sign}` between arrays of {one.rank} and {two.rank} axes can't be read without indices."
        raise arrays.misfit(message, one.span.cover(two.span))
    return arrays.setting.choices.pick(options)()


def _note(sign: str, slides: Value, over: Value, kind: str, mode: str, said: bool) -> str:
    if said:
        return ""
    read = f"`{sign}` was read as the {mode} {kind}, in which {slides.said} slides over {over.said}"
    if kind == "correlation":
        return f"{read} as it stands; with `{sign}` as a convolution it would have to be turned by 180 degrees."
    return f"{read}, turned by 180 degrees; with `{sign}` as a correlation it would have to be turned in the formula."


def _slid(arrays: Arrays, slides: Value, over: Value, kind: str, mode: str) -> Value:
    """correlation: sum[u](a[u] * b[p+u]), full: b[p+u-(U-1) else 0]; convolution: sum[u](a[U-1-u] * b[p+u]), full:
    sum[u](a[u] * b[p-u else 0]).
    """
    likes = slides.like if len(slides.like) == slides.rank else (None,) * slides.rank
    if any(like is None for like in likes):
        slides = arrays.as_tensor(slides)
    inner = tuple(arrays.fresh(like) for like in likes)
    span = slides.span.cover(over.span)
    ends = [
        arrays.size(like, slides.span) - ONE if mode == "full" or kind == "convolution" else Polynomial()
        for like in (likes if kind == "convolution" or mode == "full" else ())
    ]
    names = [Polynomial.name(i) for i in inner]
    if mode == "full":
        over = over if over.tensor or _is_reading(over) else arrays.as_tensor(over)

    def at(places: Places) -> Term:
        own = tuple(Position(n) for n in names)
        if kind == "convolution" and mode == "valid":
            own = tuple(Position(end - n) for end, n in zip(ends, names, strict=True))
        sliding = slides.at(own)
        moved = []
        for axis, (place, n) in enumerate(zip(places, names, strict=True)):
            if mode == "valid":
                moved.append(Position(n + place.numerator))
            elif kind == "convolution":
                moved.append(Position(place.numerator - n))
            else:
                moved.append(Position(place.numerator + n - ends[axis]))
        read = over.at(tuple(moved)) if mode == "valid" else arrays.padded(over, tuple(moved))
        return Reduce("sum", inner, multiplied(read, sliding), span=span)

    return Value(slides.rank, at, span)


def _is_reading(value: Value) -> bool:
    places = tuple(Position.name(f"probe{n}") for n in range(value.rank))
    return isinstance(value.at(places), Access)
