"""Zip files whose bytes depend on nothing but names and contents."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_stored(target: Path, entries: Mapping[str, bytes]) -> None:
    """Write `entries` uncompressed, sorted and with one fixed date.

    Stored, because the interpreter then copies instead of inflating at every start, and because
    the host's own compression packs the whole file better than zip does entry by entry.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, entries[name])


def read_tree(folder: Path, suffix: str = "") -> dict[str, bytes]:
    """Read the files below `folder` whose names end in `suffix`, keyed by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.endswith(suffix)
    }


def write_tree(folder: Path, entries: Mapping[str, bytes]) -> None:
    """Write `entries` as files below `folder`."""
    for name, content in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
