"""How fast convgrad is beside PyTorch on the same processor. Run `python -m benchmarks --help`."""
