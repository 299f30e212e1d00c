"""A page that shows every number of a step: `convgrad explain --html FILE` and `--serve`."""
