r"""Layer l as one of many: what `z^l = w^l a^{l-1} + b^l` says of layer l+1, for claims such as
`\delta^l = (w^{l+1})^T \delta^{l+1} \odot f'(z^l)`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from convgrad.check.derivations.latex.setting import without_layer
from convgrad.check.documents.ledger import Known, Ledger
from convgrad.check.documents.reading import Read
from convgrad.notation.rename import rename
from convgrad.notation.terms import accesses

LAYER = re.compile(
    r"\^\s*\{?\s*(?P<open>[\[(]?)\s*(?P<letter>[lLk])\s*(?P<before>-\s*1)?\s*(?P<close>[\])]?)(?P<turned>T|\\top)?\s*(?:\}|(?<=[lL]))"
)


def with_next_layer(read: Read, ledger: Ledger) -> Ledger:
    """The ledger with the definitions of layer l for layer l+1, too, where a claim reads tensors of that one, which no
    definition has: up to the one whose gradient it reads. The error hangs on the last layer, and is left out."""
    used = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    after = {name for name in used if name.endswith("_after")}
    if not after or after & {*ledger.tensors, *ledger.abbreviations}:
        return ledger
    chain = {n: k for n, k in ledger.definitions.items() if k.equation.result.indices and LAYER.search(k.text)}
    shifted = {known.name: known for known in map(_shifted, chain.values())}
    abbreviations = dict(ledger.abbreviations)
    wanted = {name.removeprefix("d") for name in after if name.startswith("d")}
    for name in after:
        one = ledger.stands_for(without_layer(name))
        if one is not None and one.plain:
            gradient = f"{one.gradient}_after"
            abbreviations[name] = replace(one, name=name, gradient=gradient)
            wanted.add(gradient.removeprefix("d"))
    results = sorted(wanted & shifted.keys()) or [n for n, known in shifted.items() if known.reads & chain.keys()]
    if len(results) != 1:
        return ledger
    whole = replace(ledger, definitions={**chain, **shifted}, abbreviations=abbreviations)
    needed = {known.name: known for known in whole.forward("", results[0])}
    return replace(whole, definitions=needed)


def _shifted(known: Known) -> Known:
    """A definition of the layer above."""
    names = {known.name, *known.reads}
    meant = {n: n.removesuffix("_before") if n.endswith("_before") else f"{n}_after" for n in names}
    text = LAYER.sub(_one_more, known.text)
    return replace(known, name=meant[known.name], text=text, equation=rename(known.equation, meant))


def _one_more(match: re.Match[str]) -> str:
    step = "" if match["before"] else "+1"
    return f"^{{{match['open']}{match['letter']}{step}{match['close']}{match['turned'] or ''}}}"
