"""Pure decisions: no async, no clock, no randomness, no JavaScript. Runs in browser and server."""
