"""The precompiled Python: bytecode of the shipped interpreter, complete, and still debuggable."""

import struct
import zipfile
from pathlib import Path

from runtime import npm
from runtime.app_bundle import compile_app, sources_digest
from runtime.archive import write_stored
from tests.runtime.conftest import RunShipped

UNCHECKED_HASH = 1

# Need the browser's globals or a package that we do not ship; urllib works through pyodide_http.
NOT_UNDER_NODE = {
    "pyodide_http._core",
    "pyodide_http._requests",
    "pyodide_http._streaming",
    "pyodide_http._urllib",
}

IMPORT_ALL = """
import importlib, json, zipfile
problems = {}
for name in zipfile.ZipFile("/lib/python314.zip").namelist():
    module = name.removesuffix(".pyc").removesuffix("/__init__").replace("/", ".")
    if not module.endswith("__main__"):
        try:
            importlib.import_module(module)
        except Exception as problem:
            problems[module] = str(problem)
json.dumps(problems)
"""

USE_IT = """
import json, sys, uuid, urllib.request, zipfile, tarfile, shutil, logging, asyncio
import pydantic, pyodide_http

class Point(pydantic.BaseModel):
    x: int
    id: uuid.UUID

try:
    Point(x="no", id="no")
except pydantic.ValidationError as problem:
    fields = [error["loc"][0] for error in problem.errors()]
json.dumps([
    fields, sys.version_info[:2], Point.model_json_schema()["required"], pydantic.VERSION,
])
"""

TRACEBACK = """
import json, sys, traceback
sys.path.insert(0, "/mounted/app.zip")
import app.core.broken
try:
    app.core.broken.fail()
except ValueError:
    said = traceback.format_exc()
json.dumps([said, app.core.broken.__doc__, app.__file__])
"""


def test_the_library_holds_only_unchecked_bytecode_of_the_shipped_interpreter(
    dist: Path, run_shipped: RunShipped
) -> None:
    magic = run_shipped(
        "import importlib.util, json; json.dumps(list(importlib.util.MAGIC_NUMBER))"
    )
    with zipfile.ZipFile(dist / "pyodide" / "python_stdlib.zip") as library:
        entries = library.infolist()
        heads = {entry.filename: library.read(entry)[:8] for entry in entries}
    assert len(entries) > 300
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert all(name.endswith(".pyc") for name in heads)
    assert set(heads.values()) == {bytes(magic) + struct.pack("<I", UNCHECKED_HASH)}


def test_every_module_left_in_the_library_imports(run_shipped: RunShipped) -> None:
    problems = run_shipped(IMPORT_ALL)
    assert {name: text for name, text in problems.items() if name not in NOT_UNDER_NODE} == {}


def test_pydantic_validates_on_the_shipped_library(run_shipped: RunShipped) -> None:
    fields, version, required, pydantic_version = run_shipped(USE_IT)
    assert fields == ["x", "id"]
    assert version == [3, 14]
    assert required == ["x", "id"]
    assert pydantic_version == "2.14.3"


def test_a_traceback_from_the_bundle_names_file_and_line(
    node: npm.Node, dist: Path, run_shipped: RunShipped, tmp_path: Path
) -> None:
    core = tmp_path / "app" / "core"
    core.mkdir(parents=True)
    (tmp_path / "app" / "__init__.py").write_text("")
    (core / "__init__.py").write_text("")
    (core / "broken.py").write_text('"""Why."""\n\n\ndef fail():\n    raise ValueError("here")\n')
    write_stored(tmp_path / "app.zip", compile_app(node, tmp_path / "app", dist))
    said, doc, file = run_shipped(TRACEBACK, tmp_path)
    assert 'File "app/core/broken.py", line 5, in fail' in said
    assert doc == "Why."
    assert file == "/mounted/app.zip/app/__init__.pyc"


def test_the_digest_of_the_sources_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n")
    first = sources_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not Python")
    assert sources_digest(tmp_path) == first
    (tmp_path / "one.py").write_text("x = 2\n")
    changed = sources_digest(tmp_path)
    (tmp_path / "one.py").rename(tmp_path / "two.py")
    assert len({first, changed, sources_digest(tmp_path)}) == 3
