"""How many examples a property is shown on.

On the page's own interpreter, which is several times slower, a tenth of them: that the law holds is
shown on CPython, and there only that the same code keeps it.
"""

from __future__ import annotations

import sys

ON_THE_PAGE = sys.platform == "emscripten"


def examples(count: int) -> int:
    """Return `count` on CPython."""
    return max(5, count // 10) if ON_THE_PAGE else count
