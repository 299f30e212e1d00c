"""The library `onnx`, which is imported when a file is written or read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convgrad.errors import DataError

LEAST_OPSET = 18
OPSET = 21
"""The operators that are written by default: the first version with all those that layers here have."""


def library(call: str) -> Any:
    """The module. Raises: DataError where it is missing."""
    try:
        for part in ("checker", "helper", "numpy_helper", "reference"):
            import_module(f"onnx.{part}")
        return import_module("onnx")
    except ImportError as error:
        raise DataError(f"{call} needs the package onnx: pip install 'convgrad[onnx]'. ({error})") from error


def runtime() -> Any | None:
    """The module onnxruntime, or None where it is missing."""
    try:
        return import_module("onnxruntime")
    except ImportError:
        return None
