"""The imports of a module, found in its source, at any depth."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Import:
    """What one import statement imports (with the name taken from it), and how it is written."""

    module: str
    line: int
    inside_function: bool = False
    for_types: bool = False


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Every import in *source*, a module of *package*. `from a import b` gives "a.b": b may be a module."""
    return _below(ast.parse(source), package, Import("", 0))


def _below(node: ast.AST, package: str, place: Import) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        here = place
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            here = replace(place, inside_function=True)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            here = replace(place, for_types=True)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            for module in _modules_of(child, package):
                yield replace(place, module=module, line=child.lineno)
        yield from _below(child, package, here)


def _modules_of(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        words = package.split(".")
        base = ".".join([*words[: len(words) - node.level + 1], *base.split(".")]).rstrip(".")
    return [f"{base}.{alias.name}" for alias in node.names]
