"""What a Python module of the clone offers, where its syntax tree says so for certain."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

_DYNAMIC = {"globals", "locals", "exec", "eval", "setattr", "vars", "__import__"}
_MOST_IMPORTS = 20  # that a name is followed through


@dataclass
class Namespace:
    """The names in a module or class; ``closed`` says that there can be no others."""

    names: set[str] = field(default_factory=set)
    classes: dict[str, list[ast.ClassDef]] = field(default_factory=dict)  # one name may be defined twice, as with a fallback
    sources: dict[str, str] = field(default_factory=dict)  # name → dotted path that it is imported from
    closed: bool = True


class PythonNames:
    """Looks dotted names up in the Python files of a clone; each file is parsed when it is first asked for.

    Parameters
    ----------
    files : iterable of str
        Every tracked path.
    read : callable
        Returns a file's text, None where it cannot be read.
    """

    def __init__(self, files: Iterable[str], read: Callable[[str], str | None]) -> None:
        self._read = read
        self._modules: dict[str, list[str]] = {}
        self._folders: set[str] = set()
        self._read_already: dict[str, Namespace] = {}
        paths = [PurePosixPath(path) for path in files if path.endswith((".py", ".pyi", ".pyx"))]
        packages = {str(path.parent) for path in paths if path.stem == "__init__"}
        for path in paths:
            self._place(path, packages)
        self.roots = {name.split(".")[0] for name in self._modules} - sys.stdlib_module_names

    def _place(self, path: PurePosixPath, packages: set[str]) -> None:
        """Name a file by every folder that it may be imported from: any that is no package, since tests move the path."""
        folders = list(path.parts[:-1])
        last = path.name.split(".")[0]
        own = [] if last == "__init__" else [last]
        for start in range(len(folders) + 1):
            if "/".join(folders[:start]) in packages:
                continue
            parts = [*folders[start:], *own]
            if parts and all(part.isidentifier() for part in parts):
                name = ".".join(parts)
                self._modules.setdefault(name, []).append(str(path))
                self._folders.update(".".join(parts[:count]) for count in range(1, len(parts)))

    def has(self, dotted: str, followed: frozenset[str] = frozenset()) -> bool | None:
        """Say whether a dotted name leads somewhere; None when that cannot be known for certain.

        ``followed`` are the names that led here by imports: modules may import a name from each other in a circle.
        """
        parts = dotted.split(".")
        if parts[0] not in self.roots or dotted in followed or len(followed) > _MOST_IMPORTS:
            return None
        followed |= {dotted}
        for count in range(len(parts), 0, -1):
            module = ".".join(parts[:count])
            if module in self._modules:
                return _any([self._member(path, module, parts[count:], followed) for path in self._modules[module]])
            if module in self._folders:
                return count == len(parts)
        return None

    def _member(self, path: str, module: str, rest: list[str], followed: frozenset[str]) -> bool | None:
        if not rest:
            return True
        space = self._namespace(path, module)
        name = rest[0]
        if name not in space.names:
            return False if space.closed else None
        if len(rest) == 1:
            return True
        if name in space.classes:
            return self._attribute(space, name, rest[1])
        source = space.sources.get(name)
        return self.has(".".join([source, *rest[1:]]), followed) if source else None

    def _attribute(self, space: Namespace, name: str, attribute: str) -> bool | None:
        """Look an attribute up in a class and its bases, each once: bases may meet again, or lead in a circle."""
        seen, left, certain = set[str](), [name], True
        while left:
            own = left.pop()
            if own in seen:
                continue
            seen.add(own)
            for node in space.classes[own]:
                if attribute in _class_names(node):
                    return True
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                known = [base for base in bases if base in space.classes and base != own]
                certain &= len(known) == len(node.bases) and not (node.keywords or node.decorator_list or _odd(node))
                left += known
        return attribute in dir(object) or (False if certain else None)

    def _namespace(self, path: str, module: str) -> Namespace:
        """Return what a module holds, parsed once."""
        if path not in self._read_already:
            text = self._read(path) if path.endswith(".py") else None
            self._read_already[path] = self._parsed(text, module, path)
        return self._read_already[path]

    def _parsed(self, text: str | None, module: str, path: str) -> Namespace:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text) if text is not None else None
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            tree = None
        if tree is None:
            return Namespace(closed=False)
        package = module if PurePosixPath(path).stem == "__init__" else module.rpartition(".")[0]
        space = Namespace()
        space.names |= {"__name__", "__file__", "__doc__", "__all__", "__version__", "__path__", "__dict__"}
        for node in ast.walk(tree):  # also within if, try and functions: better one too many than one too few
            _add(space, node, package)
        return space


def _add(space: Namespace, node: ast.AST, package: str) -> None:
    if isinstance(node, ast.ClassDef):
        space.names.add(node.name)
        space.classes.setdefault(node.name, []).append(node)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        space.names.add(node.name)
        space.closed &= node.name not in {"__getattr__"}
    elif isinstance(node, ast.Name):
        space.closed &= node.id not in _DYNAMIC
        if isinstance(node.ctx, ast.Store):
            space.names.add(node.id)
    elif isinstance(node, ast.Import):
        space.names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            space.closed &= alias.name != "*"
            space.names.add(alias.asname or alias.name)
            space.sources[alias.asname or alias.name] = f"{source}.{alias.name}"


def _any(answers: list[bool | None]) -> bool | None:
    """Return True where one is; else None where one is not known."""
    return True if True in answers else None if None in answers else False


def _class_names(node: ast.ClassDef) -> set[str]:
    """Return everything that a class or its methods set or define, at any depth."""
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(inner.name)
        elif isinstance(inner, ast.Name | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            names.add(inner.id if isinstance(inner, ast.Name) else inner.attr)
        elif isinstance(inner, ast.arg):
            names.add(inner.arg)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            names.update(inner.value.split())  # __slots__, setattr by name
    return names


def _odd(node: ast.ClassDef) -> bool:
    return any(isinstance(item, ast.FunctionDef) and item.name in {"__getattr__", "__getattribute__"} for item in node.body)
