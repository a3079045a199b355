"""Build time only: fetch, trim and precompile everything that the page loads (see README.md)."""
