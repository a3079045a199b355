"""The tests of `core`, `sync` and the stores once more, on the interpreter that the page loads."""
