"""Draw the PNG icons from icon.svg with Chromium; run it when the drawing changes."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ASSETS = Path(__file__).resolve().parent
SIZES = (192, 512)
# A maskable icon fills its square, and only its inner 80 % is sure to be seen.
MASKABLE = {'rx="116"': 'rx="0"', "<g ": '<g transform="translate(41 41) scale(.84)" '}


def maskable(drawing: str) -> str:
    """Return the drawing as a full square with its artwork within the safe zone."""
    for old, new in MASKABLE.items():
        if old not in drawing:
            raise SystemExit(f"icon.svg no longer holds {old!r}")
        drawing = drawing.replace(old, new, 1)
    return drawing


def main() -> None:
    """Write every PNG beside the drawing."""
    plain = (ASSETS / "icon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        for name, drawing in (("icon", plain), ("icon-maskable", maskable(plain))):
            for size in SIZES:
                page.set_viewport_size({"width": size, "height": size})
                page.set_content(f"<style>*{{margin:0;display:block}}</style>{drawing}")
                page.screenshot(path=ASSETS / f"{name}-{size}.png", omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
