"""Widgets: each renders a value into the DOM and decides nothing."""
