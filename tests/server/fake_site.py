"""A small app tree that has all the kinds of files a site is made of."""

from __future__ import annotations

from pathlib import Path

from runtime.app_bundle import sources_digest

FILES: dict[str, str | bytes] = {
    "index.html": (
        '<head><meta name="driftline-api" content="./api">\n'
        '<meta name="driftline-transport" content="batch"></head>\n'
        '<body><script src="./runtime/dist/pyscript/core.js"></script>\n'
        '<svg><use href="./runtime/dist/icons.svg#check"></use></svg>\n'
        '<script type="py" config="./pyscript.toml"></script></body>\n'
    ),
    "pyscript.toml": (
        'interpreter = "./runtime/dist/pyodide/boot.mjs"\n\n'
        '[files]\n"./app/main.py" = "./app/main.py"\n'
    ),
    "manifest.json": '{"name": "Driftline"}',
    "sw.js": 'importScripts("./precache-manifest.js", "./runtime/dist/workbox/workbox-core.js");',
    "app/__init__.py": "",
    "app/main.py": "print('hello')\n" * 200,
    "assets/boot.js": "// boot",
    "assets/driftline.css": "@import url(../runtime/dist/pico.min.css);",
    "assets/favicon.ico": b"\0\0\1\0",
    "assets/icon.png": b"\x89PNG" + bytes(5_000),
    "assets/make_icons.py": "",
    "runtime/dist/pyscript/core.js": "// core\n" * 500,
    "runtime/dist/pyodide/boot.mjs": "// boot",
    "runtime/dist/pyodide/pyodide.asm.wasm": b"\0asm" + bytes(300_000),
    "runtime/dist/workbox/workbox-core.js": "// workbox",
    "runtime/dist/pico.min.css": "",
    "runtime/dist/icons.svg": '<svg xmlns="x"><symbol id="check"></symbol></svg>',
    "runtime/dist/app.zip": b"PK",
    "runtime/dist/THIRD-PARTY.txt": "Licences",
}


def make_tree(root: Path, *, fresh: bool = True) -> Path:
    """Write the tree below `root`; where it is not `fresh`, the bundle is of other sources."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    digest = sources_digest(root / "app") if fresh else "0" * 64
    (root / "runtime" / "dist" / "app.digest").write_text(digest)
    return root
