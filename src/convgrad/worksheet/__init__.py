"""Exercise sheets: a network with friendly numbers, blanks to fill in, and the answers with their explanations."""

from convgrad.worksheet.levels import LEVELS
from convgrad.worksheet.sheet import Worksheet, worksheet

__all__ = ["LEVELS", "Worksheet", "worksheet"]
