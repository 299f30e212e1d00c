"""Numbers of a page's model."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def numbers(tensor: dict[str, Any]) -> list[float]:
    """Those that a page holds of a tensor, however they are written."""
    if "packed" not in tensor:
        return list(tensor["values"])
    packed = tensor["packed"]
    kind = {"float32": "<f4", "float64": "<f8"}[packed["type"]]
    return [float(value) for value in np.frombuffer(base64.b64decode(packed["bytes"]), kind)]
