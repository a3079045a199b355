"""The asynchronous engine and the public facade, written on ports only."""
