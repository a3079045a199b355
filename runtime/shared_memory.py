"""Pyodide without the shared memory that it makes at its start, to wait on where it may block."""

from runtime.npm import ToolError

_SHARED = b"new Int32Array(new WebAssembly.Memory({shared:!0,initial:1,maximum:1}).buffer)"
_OWN = b"new Int32Array(1)"


def without_shared_memory(script: bytes) -> bytes:
    """Return Pyodide's main script with plain memory in place of the shared one.

    A page's main thread may not wait on either: Pyodide finds out at its first try, and goes on as
    before. Browsers warn of shared memory in pages that are not isolated, and will refuse it.
    Raises ToolError when Pyodide's code has changed.
    """
    if script.count(_SHARED) != 1:
        raise ToolError("Pyodide makes its shared memory otherwise than it did")
    return script.replace(_SHARED, _OWN)
