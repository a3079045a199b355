"""The list of what the service worker keeps: everything that the page loads."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TypedDict

from server.settings import Settings
from server.site import Site, SiteFile, collect_site, content_type

MANIFEST = "precache-manifest.js"
WORKER = "sw.js"
KILL_SWITCH = Path(__file__).with_name("kill-switch.js")


class PrecacheEntry(TypedDict):
    """One file to precache; `revision` is null where the URL itself changes with the content."""

    url: str
    revision: str | None
    integrity: str


def precache_entries(site: Site) -> list[PrecacheEntry]:
    """Return the entries for a site, ordered by URL."""
    return [
        {
            "url": url,
            "revision": None if file.versioned else file.sha256.hex()[:16],
            "integrity": f"sha256-{b64encode(file.sha256).decode()}",
        }
        for url, file in sorted(site.items())
        if file.precached
    ]


def whole_site(root: Path, settings: Settings) -> Site:
    """Return the site of the folder `root` as it is served or built, with its service worker."""
    site = with_manifest(collect_site(root, settings.api_url, settings.transport))
    return without_worker(site) if settings.kill_switch else site


def with_manifest(site: Site) -> Site:
    """Return the site with the script that gives the entries to the service worker."""
    lines = ",\n".join(json.dumps(entry) for entry in precache_entries(site))
    script = f"self.__precacheManifest = [\n{lines}\n];\n"
    manifest = SiteFile(script.encode(), content_type(MANIFEST), precached=False)
    return {**site, MANIFEST: manifest}


def without_worker(site: Site) -> Site:
    """Return the site with what ends the service worker of every device in the worker's place."""
    script = SiteFile(KILL_SWITCH.read_bytes(), content_type(WORKER), precached=False)
    return {**site, WORKER: script}
