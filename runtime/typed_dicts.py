"""Python sources with their typed dictionaries as plain ones."""

import ast


def without_typed_dicts(source: bytes) -> bytes:
    """Return a module's source, each class that comes of `TypedDict` an empty one of `dict`.

    pydantic_core describes its schemas by some ninety such classes, for type checkers: nobody reads
    their fields when it runs. Making them takes as long as making all models of the app.
    """
    return ast.unparse(_Plain().visit(ast.parse(source))).encode()


class _Plain(ast.NodeTransformer):
    def __init__(self) -> None:
        self._typed = {"TypedDict"}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        if any(isinstance(base, ast.Name) and base.id in self._typed for base in node.bases):
            self._typed.add(node.name)
            node.bases, node.keywords = [ast.Name("dict", ast.Load())], []
            node.body = [ast.Pass()]
        return node
