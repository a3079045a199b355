"""Gzip bodies, made once when they are first asked for, the large ones kept on disk."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path
from threading import Lock

from server.site import Site, SiteFile

logger = logging.getLogger(__name__)

SMALLEST = 1_024
"""Bytes below which compressing is not worth a header."""

KEPT_ON_DISK = 256 * 1024
WORTH_IT = 0.95
_LEVEL = 7


class Compressor:
    """The compressed bodies of a site; `folder` may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[bytes, bytes | None] = {}
        self._lock = Lock()

    def made(self, file: SiteFile) -> bool:
        """Tell whether `gzipped` will answer at once."""
        return file.sha256 in self._made

    def gzipped(self, file: SiteFile) -> bytes | None:
        """Return the compressed body, `None` where that is hardly smaller."""
        with self._lock:
            if not self.made(file):
                self._made[file.sha256] = self._make(file)
        return self._made[file.sha256]

    def prune(self, site: Site) -> None:
        """Remove from the disk what belongs to no file of `site`."""
        names = {self._path(file).name for file in site.values()}
        for path in self._folder.glob("*.gz"):
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _path(self, file: SiteFile) -> Path:
        return self._folder / f"{file.sha256.hex()}.gz"

    def _make(self, file: SiteFile) -> bytes | None:
        if len(file.body) < SMALLEST or file.content_type == "image/png":
            return None
        path = self._path(file)
        if path.is_file():
            body = path.read_bytes()
        else:
            body = gzip.compress(file.body, _LEVEL, mtime=0)
            if len(file.body) >= KEPT_ON_DISK:
                _keep(path, body)
        return body if len(body) < WORTH_IT * len(file.body) else None


def _keep(path: Path, body: bytes) -> None:
    """Write a whole file or none; without a place on disk it is made anew at the next start."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(body)
        partial.replace(path)
    except OSError as error:
        logger.warning("compressed file not kept: %s", error.strerror)
