"""The deterministic simulation: real core, engine and server code under virtual time."""
