"""`python -m convgrad` is the command `convgrad`."""

from convgrad.cli import main

main()
