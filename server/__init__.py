"""The sync server: CPython only, never shipped to the browser."""
