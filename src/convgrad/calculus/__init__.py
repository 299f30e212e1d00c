"""From an equation to the equations of its gradients, step by step as a textbook would (`docs/derivation.md`).

In the order of the work: `prepare` (inner reductions get names), `partials` and `table` (slopes), `solve` (for which
indices does a reading hit an element?), `contribution` (one way in, from the chain rule to a gather), `simplify`,
`derive` (all ways in, added up), `narrate` and `steps` (in words).
"""

from convgrad.calculus.derive import Adjoint, derivation, gradients
from convgrad.calculus.simplify import simplify
from convgrad.calculus.steps import ChainRule, Derivation, Step

__all__ = ["Adjoint", "ChainRule", "Derivation", "Step", "derivation", "gradients", "simplify"]
