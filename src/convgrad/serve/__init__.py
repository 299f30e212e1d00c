"""The page on this machine, and what it asks: `convgrad explain --serve`."""
