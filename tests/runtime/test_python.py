"""The precompiled Python: bytecode of the shipped interpreter, complete, and still debuggable."""

import struct
import zipfile
from pathlib import Path

from runtime import npm
from runtime.app_bundle import compile_app, sources_digest
from runtime.archive import write_stored
from runtime.compiler import Sources, compile_sources
from runtime.paths import RUNTIME
from runtime.typed_dicts import without_typed_dicts
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


READ_ONCE = """
import importlib, json, sys, zipimport
import quickimport
quickimport.install()
by_itself = []
read = zipimport._get_data
zipimport._get_data = lambda *given: by_itself.append(given[1][0]) or read(*given)
sys.path[:0] = ["/mounted/quick.zip", "/mounted/mixed.zip"]
import inner.deeper.leaf, packed, source
missing = importlib.util.find_spec("inner.nothing")
leaf = sys.modules["inner.deeper.leaf"]
json.dumps([
    [leaf.WHO, leaf.__file__, inner.__file__, list(inner.__path__), inner.deeper.WHO],
    [packed.WHO, source.WHO, sorted(set(by_itself)), missing, type(leaf.__loader__).__name__],
    leaf.__loader__.get_data("/mounted/quick.zip/inner/data.txt").decode(),
])
"""


def test_bytecode_in_archives_is_read_once_and_all_else_as_ever(
    run_shipped: RunShipped, node: npm.Node, dist: Path, tmp_path: Path
) -> None:
    names = ("inner/__init__.py", "inner/deeper/__init__.py", "inner/deeper/leaf.py", "packed.py")
    files = {name: f"WHO = {name!r}\n".encode() for name in names}
    (compiled,) = compile_sources(node, [Sources(files, "", 0)], dist)
    packed = compiled.pop("packed.pyc")
    write_stored(tmp_path / "quick.zip", compiled | {"inner/data.txt": b"beside"})
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as mixed:
        mixed.writestr("packed.pyc", packed, zipfile.ZIP_DEFLATED)
        mixed.writestr("source.py", "WHO = 'source'\n", zipfile.ZIP_STORED)
    root = "/mounted/quick.zip/inner"
    mine, others, data = run_shipped(READ_ONCE, tmp_path)
    leaf, paths = f"{root}/deeper/leaf.pyc", [root]
    deeper = "inner/deeper/__init__.py"
    assert mine == ["inner/deeper/leaf.py", leaf, f"{root}/__init__.pyc", paths, deeper]
    said_by_itself = ["/mounted/mixed.zip/packed.pyc", "/mounted/mixed.zip/source.py"]
    assert others == ["packed.py", "source", said_by_itself, None, "QuickImporter"]
    assert data == "beside"


NOTHING_COMPILED = """
import dataclasses, importlib, json, sys, zipfile
sys.path.insert(0, "/mounted/app.zip")
from app.precompiled import use_recorded_methods
use_recorded_methods()

seen = []
run = dataclasses.exec
dataclasses.exec = lambda source, *rest: seen.append(source in run._recorded) or run(source, *rest)
sys.modules["js"] = _Anything("js")
for name in zipfile.ZipFile("/mounted/app.zip").namelist():
    if name.endswith(".pyc"):
        module = name.removesuffix(".pyc").removesuffix("/__init__").replace("/", ".")
        importlib.import_module(module)
json.dumps([len(seen), seen.count(False)])
"""


def test_no_dataclass_of_the_app_or_of_pydantic_is_compiled_on_the_page(
    dist: Path, run_shipped: RunShipped
) -> None:
    stand_in = (RUNTIME / "record_methods.py").read_text()
    made, compiled = run_shipped(stand_in + NOTHING_COMPILED, dist)
    assert made > 100
    assert compiled == 0


def test_descriptions_of_schemas_have_no_fields_on_the_page() -> None:
    source = b"""
class Plain(TypedDict, total=False):
    field: Required[int]

class Derived(Plain, total=False):
    other: str

class Else(list):
    kept: int
"""
    expected = b"class Plain(dict):\n    pass\n\nclass Derived(dict):\n    pass\n\n"
    assert without_typed_dicts(source) == expected + b"class Else(list):\n    kept: int"


def test_the_digest_of_the_sources_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n")
    first = sources_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not Python")
    assert sources_digest(tmp_path) == first
    (tmp_path / "one.py").write_text("x = 2\n")
    changed = sources_digest(tmp_path)
    (tmp_path / "one.py").rename(tmp_path / "two.py")
    assert len({first, changed, sources_digest(tmp_path)}) == 3


LATE = """
import json, sys
import lateimport
lateimport.install("late")
sys.path.insert(0, "/mounted")
ran = []
sys.late_ran = ran
import late as first
begun = list(ran)
from late import NAME
from late.inner import INNER
import late, late.inner
json.dumps([begun, ran, NAME, INNER, late is first, late.inner.INNER, late.__name__])
"""


def test_late_package_runs_at_its_first_use_and_is_then_like_any_other(
    run_shipped: RunShipped, tmp_path: Path
) -> None:
    (tmp_path / "late").mkdir()
    begin = "import sys\nsys.late_ran.append(__name__)\n"
    (tmp_path / "late" / "__init__.py").write_text(f"{begin}NAME = 'late'\n")
    (tmp_path / "late" / "inner.py").write_text(f"{begin}INNER = 'inner'\n")
    begun, ran, *found = run_shipped(LATE, tmp_path)
    assert begun == []
    assert ran == ["late", "late.inner"]
    assert found == ["late", "inner", True, "inner", "late"]
