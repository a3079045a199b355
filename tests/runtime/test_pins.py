"""What is fetched is pinned, checked, and names no address."""

import json
import re

from runtime.paths import ROOT
from runtime.wheels import PINS

LOCK = json.loads((ROOT / "package-lock.json").read_text())
EXACT = re.compile(r"\d+\.\d+\.\d+")


def test_every_npm_package_has_an_exact_version_and_an_integrity_and_no_address() -> None:
    fetched = {place: entry for place, entry in LOCK["packages"].items() if place}
    assert len(fetched) > 8
    for place, entry in fetched.items():
        assert EXACT.fullmatch(entry["version"]), place
        assert entry["integrity"].startswith("sha512-"), place
        assert "resolved" not in entry, place


def test_package_json_asks_for_exact_versions_and_the_lock_agrees() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert asked == LOCK["packages"][""]["dependencies"]
    for name, version in asked.items():
        assert LOCK["packages"][f"node_modules/{name}"]["version"] == version


def test_every_wheel_is_pinned_with_a_hash() -> None:
    logical = PINS.read_text().replace("\\\n", " ").splitlines()
    pins = [line.split() for line in logical if line and not line.startswith("#")]
    names = [pin.split("==")[0] for pin, _hash in pins]
    assert {"pydantic", "pydantic_core", "typing_extensions", "pyodide-http"} <= set(names)
    for pin, digest in pins:
        assert EXACT.fullmatch(pin.split("==")[1]), pin
        assert re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest), pin
