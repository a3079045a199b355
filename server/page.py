"""What the build writes into index.html, so that a start needs fewer requests.

The page in the repository names its icons and its configuration by files; the page that is served
holds both.
"""

from __future__ import annotations

import html
import json
import re
import tomllib
from collections.abc import Callable

from app.errors import DriftlineError

_CONFIG = re.compile(r'config="\./pyscript\.toml"')
_ICON = re.compile(r'href="[^"#]*icons\.svg#')
_SYMBOL = re.compile(r'<symbol id="')
_HEAD_END = re.compile(r"</head>")
_BODY = re.compile(r"<body[^>]*>")


class PageError(DriftlineError):
    """index.html, or what goes into it, is not as the build expects it."""


def with_setting(page: str, name: str, value: str) -> str:
    """Return the page with one of its settings: what API it is to talk to, and how."""
    pattern = re.compile(rf'(<meta\s+name="driftline-{name}"\s+content=")[^"]*(")')
    shown = html.escape(value)
    return _replace(pattern, lambda found: found[1] + shown + found[2], page, f"driftline-{name}")


def with_config(page: str, config: str) -> str:
    """Return the page with PyScript's configuration, given as TOML, in place of its address.

    As an attribute it costs no request and no parser of TOML before Python can be loaded.
    """
    try:
        values = tomllib.loads(config)
    except tomllib.TOMLDecodeError as error:
        raise PageError(f"pyscript.toml cannot be read: {error}.") from None
    attribute = f"config='{html.escape(json.dumps(values), quote=False).replace(chr(39), '&#39;')}'"
    return _replace(_CONFIG, lambda _match: attribute, page, 'config="./pyscript.toml"')


def with_preload(page: str, url: str) -> str:
    """Return the page with a word at its beginning that it will need the file at `url`."""
    link = f'<link rel="preload" as="fetch" crossorigin href="./{html.escape(url)}">'
    return _replace(_HEAD_END, lambda match: f"  {link}\n  {match[0]}", page, "</head>")


def with_icons(page: str, sprite: str) -> str:
    """Return the page with the icons in it: each use of one in another file costs a look-up."""
    inner = _SYMBOL.sub('<symbol id="icon-', sprite)
    inner = inner.replace("<svg ", '<svg hidden aria-hidden="true" ', 1)
    page = _replace(_BODY, lambda match: f"{match[0]}\n{inner}", page, "<body>")
    return _ICON.sub('href="#icon-', page)


def _replace(
    pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], page: str, what: str
) -> str:
    text, count = pattern.subn(by, page)
    if count != 1:
        raise PageError(f"index.html needs {what} once; it is there {count} times.")
    return text
