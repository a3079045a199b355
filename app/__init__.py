"""Driftline: an offline-first Progressive Web App in Python, and the toolkit it is made of."""

__version__ = "0.1.0"
