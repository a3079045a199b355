"""Imports modules from archives of bytecode, each read and decoded once.

Python's own importer opens the archive anew for every module, and decodes the module twice: to
learn the name of its file (`spec_from_file_location` asks for it), and to run it. A start imports
some three hundred. This module lies in the library's archive, and `boot.mjs` calls `install`.
"""

import sys
from _frozen_importlib_external import MAGIC_NUMBER
from collections.abc import Callable
from functools import cache
from io import FileIO
from marshal import loads
from types import CodeType
from zipimport import zipimporter

_HEADER = 30
"""Bytes before the name in a zip's local header, by its specification (APPNOTE.TXT, 4.3.7)."""
_BYTECODE = 16
"""Bytes before the code in a .pyc file (PEP 552)."""


Entry = tuple[str, int, int, int, int, int, int, int]
"""What the index of an archive says of a file: name, compression, size there and unpacked, offset,
time, date, checksum."""


class QuickImporter(zipimporter):
    """Finds what `zipimporter` finds; leaves to it whatever is not stored bytecode."""

    _get_files: Callable[[], dict[str, Entry]]

    def get_filename(self, fullname: str) -> str:
        """Return the name of the module's file; raises ZipImportError where there is none."""
        entry = self._entry(fullname)
        return entry[0] if entry else super().get_filename(fullname)

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code; raises ZipImportError where there is none."""
        entry = self._entry(fullname)
        code = self._read(entry) if entry else None
        return code or super().get_code(fullname)

    def _entry(self, fullname: str) -> Entry | None:
        """Return what the index says of the module's bytecode."""
        path = self.prefix + fullname.rpartition(".")[2]
        files = self._get_files()
        return files.get(f"{path}/__init__.pyc") or files.get(f"{path}.pyc")

    def _read(self, entry: Entry) -> CodeType | None:
        _, compression, size, _, offset, *_ = entry
        archive = _opened(self.archive)
        archive.seek(offset)
        head = archive.read(_HEADER)
        if compression or len(head) < _HEADER:
            return None
        archive.seek(offset + _HEADER + _number(head[26:28]) + _number(head[28:30]))
        data = archive.read(size)
        if len(data) < size or data[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
            return None
        code: CodeType = loads(memoryview(data)[_BYTECODE:])
        return code


def install() -> None:
    """Have all archives on `sys.path` read so, also those that are known already."""
    hooks = [QuickImporter if hook is zipimporter else hook for hook in sys.path_hooks]
    sys.path_hooks[:] = hooks
    sys.path_importer_cache.clear()


@cache
def _opened(archive: str) -> FileIO:
    """Return the archive, which stays open: its packages have an importer each."""
    return FileIO(archive)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
