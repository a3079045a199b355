"""Adapters to the browser: the only place, with `ui/` and `main.py`, that imports JavaScript."""
