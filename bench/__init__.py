"""What `make bench` measures: one module per part, one figure per promise, medians of several runs."""
