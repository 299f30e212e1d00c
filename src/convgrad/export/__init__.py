"""Trained networks as programs that need no Python."""

from convgrad.export.exported import Exported, export

__all__ = ["Exported", "export"]
