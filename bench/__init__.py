"""Benchmarks, each against another way to do the same, in one run: `python -m bench --help`."""
