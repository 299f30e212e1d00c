"""Trained networks as programs that need no Python."""
