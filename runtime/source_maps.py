"""Scripts without the comment that makes developer tools ask for a map that is not there."""

import re

_COMMENT = re.compile(rb"\n?//# sourceMappingURL=\S+\s*\Z")


def without_source_map(script: bytes) -> bytes:
    """Return `script` without its trailing source map comment."""
    return _COMMENT.sub(b"\n", script)
