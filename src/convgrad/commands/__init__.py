"""The commands of `convgrad`, one file each; `convgrad.commands.cli` puts them together."""
