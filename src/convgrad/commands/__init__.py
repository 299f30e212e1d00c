"""The commands of `convgrad`, one file each; `convgrad.cli` puts them together."""
