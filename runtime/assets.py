"""Everything but the interpreter: PyScript, Workbox, Pico, icons and the licences of all."""

import re
import shutil
from pathlib import Path

from runtime.npm import ToolError
from runtime.paths import NODE_MODULES, RUNTIME, read_names
from runtime.source_maps import without_source_map

WORKBOX = ("core", "precaching", "routing", "strategies")
_PYSCRIPT = NODE_MODULES / "@pyscript" / "core" / "dist"
_ICONS = NODE_MODULES / "lucide-static" / "icons"


def write_assets(target: Path) -> None:
    """Write PyScript, Workbox, the base style sheet and the icons into the folder `target`."""
    for name in pyscript_modules():
        _write_script(_PYSCRIPT / name, target / "pyscript" / name)
    for part in WORKBOX:
        package = NODE_MODULES / f"workbox-{part}" / "build"
        name = f"workbox-{part}.prod.js"
        _write_script(package / name, target / "workbox" / name)
    shutil.copyfile(NODE_MODULES / "@picocss/pico/css/pico.min.css", target / "pico.min.css")
    icons = sorted(read_names(RUNTIME / "icons.txt"))
    (target / "icons.svg").write_text(icon_sprite(icons))


def pyscript_modules() -> list[str]:
    """Name PyScript's modules that our page loads: entry, core, TOML reader and error hook.

    The error hook is asked for even where it is switched off (`!error` only keeps it from
    writing into the page). The names hold hashes of their contents, so they are read from the
    modules that import them. Raises ToolError when PyScript's layout has changed.
    """
    core = _only_import(_PYSCRIPT / "core.js", rb'from"\./(core-\w+\.js)"')
    chunks = (rb'import\("\./(toml-\w+\.js)"\)', rb'import\("\./(error-\w+\.js)"\)')
    return ["core.js", core, *(_only_import(_PYSCRIPT / core, chunk) for chunk in chunks)]


def icon_sprite(names: list[str]) -> str:
    """Return one SVG file with a symbol per icon, drawn in the colour of the text around it."""
    symbols = "\n".join(_symbol(name) for name in names)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


def _symbol(name: str) -> str:
    drawing = (_ICONS / f"{name}.svg").read_text()
    match = re.search(r"<svg[^>]*>(.*)</svg>", drawing, re.DOTALL)
    if match is None:
        raise ToolError(f"the icon {name} is not a drawing")
    shapes = "".join(line.strip() for line in match[1].splitlines())
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        f' stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
    )


def _only_import(module: Path, pattern: bytes) -> str:
    found = set(re.findall(pattern, module.read_bytes()))
    if len(found) != 1:
        raise ToolError(f"{module.name} was expected to import one module, not {len(found)}")
    return bytes(found.pop()).decode()


def _write_script(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(without_source_map(source.read_bytes()))
