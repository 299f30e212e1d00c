"""Networks with numbers, to look into: `convgrad examples` lists them, `convgrad explain NAME` explains one."""

from convgrad.examples.example import Example
from convgrad.examples.files import NAMES, load_example, read_example

__all__ = ["NAMES", "Example", "load_example", "read_example"]
