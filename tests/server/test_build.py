"""Building the static site into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.build import RECORD, write_site
from server.cli import main
from server.precache import MANIFEST
from server.site import SiteError, collect_site
from tests.server.fake_site import make_tree


def files(out: Path) -> set[str]:
    found = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix() for path in found} - {RECORD}


def test_build_writes_everything_that_is_served(tmp_path: Path) -> None:
    root, out = make_tree(tmp_path / "root"), tmp_path / "out"
    options = ["--api-url", "https://api.test", "--transport", "rest"]
    assert main(root, ["build", "--out", str(out), *options]) == 0
    assert files(out) == {*collect_site(root), MANIFEST}
    page = (out / "index.html").read_text()
    assert '<meta name="driftline-api" content="https://api.test">' in page
    assert '<meta name="driftline-transport" content="rest">' in page
    assert (out / "sw.js").read_bytes() == collect_site(root)["sw.js"].body


def test_next_build_removes_what_is_gone_and_nothing_else(tmp_path: Path) -> None:
    root, out = make_tree(tmp_path / "root"), tmp_path / "out"
    write_site(collect_site(root), out)
    (out / "CNAME").write_text("driftline.example")
    (root / "assets" / "boot.js").unlink()
    (root / "runtime" / "dist" / "icons.svg").write_text("<svg />")
    write_site(collect_site(root), out)
    assert files(out) == {*collect_site(root), "CNAME"}
    assert len(list((out / "runtime").iterdir())) == 1


@pytest.mark.parametrize("record", [None, "not json"])
def test_folder_of_other_files_is_left_alone(tmp_path: Path, record: str | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("Years of work")
    if record:
        (out / RECORD).write_text(record)
    with pytest.raises(SiteError, match="no build made"):
        write_site(collect_site(make_tree(tmp_path / "root")), out)
    assert files(out) == {"thesis.txt"}


def test_record_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside.txt"
    site = collect_site(make_tree(tmp_path / "root"))
    write_site(site, out)
    outside.write_text("mine")
    (out / RECORD).write_text(f'["../outside.txt", "{outside}"]')
    write_site(site, out)
    assert outside.read_text() == "mine"


def test_build_without_a_runtime_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path, ["build", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.endswith("Run `make runtime` first.\n")
    assert not (tmp_path / "out").exists()
