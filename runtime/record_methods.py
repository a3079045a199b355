"""Record what dataclasses compile; compile.mjs runs this inside the shipped interpreter."""

import builtins
import dataclasses
import importlib
import marshal
import sys
from pathlib import Path
from types import CodeType, ModuleType


class _Anything(ModuleType):
    """Stands for what only a browser has, as far as a module looks at it while it is imported."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name)

    def __call__(self, *_arguments: object, **_named: object) -> object:
        return _Anything("answer")


def record_methods(folder: str, target: str) -> None:
    """Import a package below `folder`, and write the code of all methods that were generated.

    `target` is the package and the name of the file in it: marshalled, a dictionary of code by the
    source that it was compiled from. A module that cannot be imported without a browser is passed
    over: its dataclasses are compiled on the page.
    """
    recorded: dict[str, CodeType] = {}

    def record(text: str, namespace: dict[str, object], local: dict[str, object]) -> None:
        code = compile(text, "<string>", "exec", dont_inherit=True)
        builtins.exec(recorded.setdefault(text, code), namespace, local)

    vars(dataclasses)["exec"] = record
    sys.path.insert(0, folder)
    sys.modules["js"] = _Anything("js")
    for path in sorted(Path(folder, target).parent.rglob("*.pyc")):
        name = ".".join(path.relative_to(folder).with_suffix("").parts)
        try:
            importlib.import_module(name.removesuffix(".__init__"))
        except Exception as problem:
            sys.stdout.write(f"{name} is not imported by the build: {problem!r}\n")
    Path(folder, target).write_bytes(marshal.dumps(recorded))
