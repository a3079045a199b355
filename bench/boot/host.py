"""A good static host for the stock page: `python -m bench.boot.host FOLDER PORT`.

It is Driftline's own static server on another folder, in a process of its own like the other:
gzip made once, right types, ETags. Unlike most hosts it says that all but the page and its
configuration never changes, so that a warm start asks for nothing else again: the best case.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import uvicorn

from runtime.paths import ROOT
from server.compression import Compressor
from server.run import listen
from server.site import Site, SiteFile, content_type
from server.static import StaticSite
from tests.browser.servers import free_port

_DEADLINE = 20.0
_ASKED_ANEW = ("index.html", "pyscript.json")


class Host:
    """The server process of a folder; use it in `with`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "bench.boot.host", str(folder), str(port)]
        self._process = subprocess.Popen(command, cwd=ROOT)

    def __enter__(self) -> Host:
        until = time.monotonic() + _DEADLINE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise RuntimeError("The stock page's server did not start.")
            time.sleep(0.05)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/", timeout=2):
                return True
        except OSError:
            return False


def site_of(folder: Path) -> Site:
    """Return the files of a folder as they are served."""
    files: Site = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            versioned = name not in _ASKED_ANEW
            files[name] = SiteFile(path.read_bytes(), content_type(name), versioned=versioned)
    return files


def main(folder: Path, port: int) -> None:
    """Serve `folder` on this machine until told to stop."""
    with tempfile.TemporaryDirectory() as kept:
        app = StaticSite(site_of(folder), Compressor(Path(kept)), "./api")
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        uvicorn.Server(config).run([listen("127.0.0.1", port)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
