"""The file with everything on a device: one JSON document, written piece by piece.

`outbox` comes before `rows`, and is read before them: what the server takes meanwhile is in the
file twice, never not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = "driftline-export"
FORMAT_VERSION = 1

Piece = Mapping[str, Any]


class ExportFile:
    """Gives the pieces of the document: `begin`, pages of `entries`, pages of `rows`, `end`."""

    def __init__(self) -> None:
        self._collection: str | None = None
        self._in_rows = False
        self._first = True

    def begin(self, facts: Mapping[str, Any]) -> str:
        """Return the beginning, with whatever is known besides of the device and the app."""
        known = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **facts}, indent=1)
        return known.removesuffix("\n}") + ',\n "outbox": ['

    def entries(self, page: Sequence[Piece]) -> str:
        """Return the next entries of the outbox."""
        return "".join(self._listed(entry) for entry in page)

    def rows(self, page: Sequence[Piece]) -> str:
        """Return the next rows; those of one collection come one after the other."""
        pieces = [] if self._in_rows else ['\n ],\n "rows": {']
        self._in_rows = True
        for row in page:
            if row["collection"] != self._collection:
                pieces.append("" if self._collection is None else "\n  ],")
                pieces.append(f"\n  {json.dumps(row['collection'])}: [")
                self._collection, self._first = row["collection"], True
            pieces.append(self._listed(row))
        return "".join(pieces)

    def end(self) -> str:
        """Return the end."""
        return self.rows([]) + ("\n }\n}\n" if self._collection is None else "\n  ]\n }\n}\n")

    def _listed(self, piece: Piece) -> str:
        before, self._first = ("\n   " if self._first else ",\n   "), False
        return before + json.dumps(piece)
