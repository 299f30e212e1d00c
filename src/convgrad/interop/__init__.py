"""Networks as files of other tools: ONNX."""

from convgrad.interop.written import OnnxFile, to_onnx

__all__ = ["OnnxFile", "to_onnx"]
