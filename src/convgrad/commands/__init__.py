"""The commands of `convgrad`, one file each; `convgrad.commands.cli` puts them together.

Each imports what it needs when it is called, so that the others, and `--help`, start quickly.
"""
