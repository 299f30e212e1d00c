"""Networks with numbers, to look into: `convgrad examples` lists them, `convgrad explain NAME` explains one.

And data made by a formula, for networks that give a class for each place, or take signals.
"""

from convgrad.examples.example import Example
from convgrad.examples.files import NAMES, load_example, read_example
from convgrad.examples.made import made_shapes, made_waves

__all__ = ["NAMES", "Example", "load_example", "made_shapes", "made_waves", "read_example"]
