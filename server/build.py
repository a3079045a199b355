"""Writing the static site to a folder, for any host of static files."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from server.site import Site, SiteError

RECORD = ".driftline-build.json"
"""Names the files of a build, so that the next one knows what it may delete."""


def write_site(site: Site, out: Path) -> None:
    """Write every file of `site` to `out`, and delete what an earlier build left there.

    Raises `SiteError` where `out` holds anything but such a build.
    """
    old = _files_of_earlier_build(out)
    try:
        for name, file in site.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.body)
        for name in sorted(old - site.keys()):
            _delete(out, name)
        (out / RECORD).write_text(json.dumps(sorted(site), indent=1))
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise SiteError(f"The site could not be written ({reason}).") from None


def _files_of_earlier_build(out: Path) -> set[str]:
    if out.exists() and not out.is_dir():
        raise SiteError(f"{out} is a file; the site needs a folder.")
    if not out.exists() or not any(out.iterdir()):
        return set()
    try:
        names = json.loads((out / RECORD).read_text())
    except (OSError, ValueError):
        raise SiteError(
            f"The folder {out} holds files that no build made: choose another with --out."
        ) from None
    return {name for name in names if _is_inside(name)}


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _delete(out: Path, name: str) -> None:
    path = out / name
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == out or any(folder.iterdir()):
            return
        folder.rmdir()
