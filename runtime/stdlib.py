"""The precompiled standard library, with our pure-Python packages and PyScript's own inside.

The interpreter's stock zip holds sources, compiled anew at every start of the page. Ours holds
bytecode, made by the very same interpreter, and leaves out what a page cannot use.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from runtime.compiler import Sources, compile_sources
from runtime.npm import Node
from runtime.wheels import is_compiled

# Tools for a terminal or a developer, servers, processes, and formats that the page never meets.
DROPPED = """
    __hello__ __phello__ _pyrepl antigravity bdb cProfile cmd code compileall ctypes doctest
    fileinput filecmp ftplib imaplib mailbox modulefinder multiprocessing optparse pdb pickletools
    plistlib poplib profile pstats pty pyclbr pydoc rlcompleter sched shelve site-packages smtplib
    socketserver sqlite3 sre_compile sre_constants sre_parse symtable tabnanny this timeit trace tty
    unittest wave wsgiref xml xmlrpc zipapp
    asyncio/__main__ asyncio/proactor_events asyncio/tools asyncio/windows_events
    asyncio/windows_utils concurrent/futures/process concurrent/futures/interpreter
    concurrent/interpreters http/server json/__main__ json/tool logging/config logging/handlers
    importlib/resources/_functional pyodide/console pyodide/_nodesock_transport zipfile/__main__
    pydantic/v1 pydantic/mypy.py pydantic/_hypothesis_plugin
""".split()

# Codecs of the web and of zip files; the other hundred are tables for legacy code pages.
ENCODINGS = frozenset(
    """
    __init__ aliases ascii base64_codec charmap cp1252 cp437 hex_codec idna iso8859_1 iso8859_15
    latin_1 punycode quopri_codec raw_unicode_escape undefined unicode_escape utf_16 utf_16_be
    utf_16_le utf_32 utf_32_be utf_32_le utf_7 utf_8 utf_8_sig zlib_codec
    """.split()
)

STDLIB_PREFIX = "/lib/python314.zip/"
SITE_PREFIX = "/lib/python3.14/site-packages/"
_OPTIMIZE = 2


def build_python(
    node: Node, stock: Path, wheels: Iterable[Path]
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Compile the trimmed library and the compiled package's own Python files.

    Return two sets of .pyc files: for the library's zip, and for the package's wheel.
    """
    library, site = keep_sources(stock), {}
    for wheel in wheels:
        (site if is_compiled(wheel) else library).update(keep_sources(wheel))
    batches = [
        Sources(library, STDLIB_PREFIX, _OPTIMIZE),
        Sources(site, SITE_PREFIX, _OPTIMIZE),
    ]
    in_library, in_site = compile_sources(node, batches)
    return in_library, in_site


def keep_sources(archive: Path) -> dict[str, bytes]:
    """Read the .py files of a zip or wheel that the page can use."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist() if is_kept(name)}


def is_kept(name: str) -> bool:
    """Say whether the shipped library keeps the source file `name`."""
    path = Path(name)
    if path.suffix != ".py":
        return False
    if path.parts[0] == "encodings":
        return path.stem in ENCODINGS
    ways = {path.with_suffix("").as_posix(), name, *(p.as_posix() for p in path.parents)}
    return ways.isdisjoint(DROPPED)
