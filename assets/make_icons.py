"""Draw the other icons from icon.svg with Chromium; run it when the drawing changes."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ASSETS = Path(__file__).resolve().parent
SIZES = (192, 512)
SMALL = 48
# A maskable icon fills its square, and only its inner 80 % is sure to be seen.
MASKABLE = {'rx="116"': 'rx="0"', "<g ": '<g transform="translate(41 41) scale(.84)" '}


def maskable(drawing: str) -> str:
    """Return the drawing as a full square with its artwork within the safe zone."""
    for old, new in MASKABLE.items():
        if old not in drawing:
            raise SystemExit(f"icon.svg no longer holds {old!r}")
        drawing = drawing.replace(old, new, 1)
    return drawing


def ico(png: bytes, size: int) -> bytes:
    """Return an ICO file that holds one square PNG."""
    header = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", size, size, 0, 0, 1, 32, len(png), len(header) + 16)
    return header + entry + png


def draw(page: Page, drawing: str, size: int) -> bytes:
    """Return the drawing as a square PNG."""
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(f"<style>*{{margin:0;display:block}}</style>{drawing}")
    return page.screenshot(omit_background=True)


def main() -> None:
    """Write every icon beside the drawing."""
    plain = (ASSETS / "icon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        for name, drawing in (("icon", plain), ("icon-maskable", maskable(plain))):
            for size in SIZES:
                (ASSETS / f"{name}-{size}.png").write_bytes(draw(page, drawing, size))
        (ASSETS / "favicon.ico").write_bytes(ico(draw(page, plain, SMALL), SMALL))
        browser.close()


if __name__ == "__main__":
    main()
