"""The program that is sent must run on any worker: standard library only, Python 3.6 and later."""

import ast
import sys
from pathlib import Path

import pytest

import coriolis.morphing.guest
from coriolis.morphing.program import PACKAGE, module_order

_FILES = sorted(Path(coriolis.morphing.guest.__file__).parent.glob("*.py"))
# What Python 3.6 lacks although its grammar would allow it, by attribute or keyword.
_TOO_NEW = {
    "capture_output",
    "text",
    "missing_ok",
    "removeprefix",
    "removesuffix",
    "dataclasses",
    "memfd_create",
    "is_relative_to",
    "fromisoformat",
    "cached_property",
    "nullcontext",
    "aclosing",
    "graphlib",
    "zoneinfo",
    "strict",
}


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_grammar_and_imports(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 6))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            top = str(node.module)
            assert top.startswith(PACKAGE) or top.split(".", maxsplit=1)[0] in sys.stdlib_module_names
        elif isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in node.names)
        if isinstance(node, ast.Attribute):
            assert node.attr not in _TOO_NEW - {"text"}
        if isinstance(node, ast.keyword):
            assert node.arg not in _TOO_NEW


def _evaluated_annotations(tree: ast.AST) -> list[ast.expr]:
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            found += [argument.annotation for argument in arguments if argument] + [node.returns]
        elif isinstance(node, (ast.Module, ast.ClassDef)):  # those of local variables are never evaluated
            found += [line.annotation for line in node.body if isinstance(line, ast.AnnAssign)]
    return [node for node in found if node is not None and not isinstance(node, ast.Constant)]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_new_annotations_are_quoted(file: Path) -> None:
    """list[str] and X | Y cannot be evaluated by 3.6."""
    for annotation in _evaluated_annotations(ast.parse(file.read_text())):
        for node in ast.walk(annotation):
            assert not isinstance(node, ast.BinOp), ast.unparse(annotation)
            if isinstance(node, ast.Subscript):
                assert not isinstance(node.value, ast.Name) or node.value.id not in (
                    "list",
                    "dict",
                    "tuple",
                    "set",
                )


def test_each_module_comes_after_what_it_imports() -> None:
    order = module_order()
    assert order[-1] == "main"
    assert sorted(order) == sorted(file.stem for file in _FILES if file.stem != "__init__")
    assert order.index("errors") < order.index("commands") < order.index("facts")
