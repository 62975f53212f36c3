"""What the local provider knows about a checkout: read once, never imported, never run."""

from __future__ import annotations

import ast
import hashlib
import logging
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import griffe

from docsfy_jupyter.models import TrackedFile
from docsfy_jupyter.providers.local.files import Checkout
from docsfy_jupyter.providers.local.scan import NOT_API, Scan, scan, without_rewrapping

_NOT_MODULES = {"setup", "conftest", "noxfile", "tasks", "fabfile"}
_LAYOUT_FOLDERS = {"src", "lib", "python"}


@dataclass
class PyModule:
    """One Python file and what its syntax tree says."""

    path: str
    name: str
    slug: str
    tree: ast.Module | None = None
    error: str = ""
    griffe: griffe.Module | None = None
    imports: set[str] = field(default_factory=set)
    api: bool = True
    scan: Scan = field(default_factory=Scan)

    @property
    def package(self) -> bool:
        """Whether it is a package's own file."""
        return PurePosixPath(self.path).stem == "__init__"


@dataclass
class Analysis:
    """Everything that pages are written from."""

    checkout: Checkout
    project_name: str
    repo_url: str
    commit: str
    modules: dict[str, PyModule]
    symbols: dict[str, tuple[str, str]]
    adopted: dict[str, list[tuple[str, griffe.Object]]] = field(default_factory=dict)
    drafts: list[object] | None = None
    _inherited: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @cached_property
    def api(self) -> list[PyModule]:
        """The modules that get a page, by name."""
        return sorted((m for m in self.modules.values() if m.api), key=lambda m: (m.name, m.path))

    @cached_property
    def shipped(self) -> list[PyModule]:
        """The modules that belong to the product, private ones too, by path."""
        return [m for _, m in sorted(self.modules.items()) if m.api or _is_shipped(m.path)]

    @cached_property
    def slugs(self) -> dict[str, str]:
        """The slugs of modules that get a page, by name."""
        return {m.name: m.slug for m in self.api}

    @cached_property
    def readable(self) -> dict[str, PyModule]:
        """The modules that griffe read, pages or not, by name."""
        return {m.name: m for m in self.modules.values() if m.griffe is not None}

    @cached_property
    def inside(self) -> dict[str, list[PyModule]]:
        """The modules that get a page, by the package that they are in."""
        found: dict[str, list[PyModule]] = {}
        for module in self.api:
            found.setdefault(module.name.rpartition(".")[0], []).append(module)
        return found

    def inherited(self, item: griffe.Class) -> list[tuple[str, str]]:
        """Return the public names that a class has from its bases, each with where it is defined, by name."""
        if item.path not in self._inherited:
            try:
                members = item.inherited_members
            except Exception:  # noqa: BLE001 - a base that cannot be followed adds nothing
                members = {}
            self._inherited[item.path] = sorted((n, a.target_path) for n, a in members.items() if not n.startswith("_"))
        return self._inherited[item.path]


def analyse(checkout: Path, files: Sequence[TrackedFile], project_name: str, repo_url: str, commit: str) -> Analysis:
    """Read a checkout.

    Parameters
    ----------
    checkout : Path
        The clone.
    files : sequence of TrackedFile
        Every tracked file.
    project_name, repo_url, commit : str
        Named in the pages.

    Returns
    -------
    Analysis
        The same for the same commit.
    """
    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    readable = Checkout(checkout, files)
    modules = _find_modules(readable)
    collection = griffe.ModulesCollection()
    lines = griffe.LinesCollection()
    extensions = griffe.load_extensions()
    taken: set[str] = set()
    for module in sorted(modules, key=lambda m: (m.name.count("."), m.name, not m.package, m.path)):
        code = readable.python(module.path)
        _parse(module, code)
        if module.tree is None or code is None or module.name in taken:
            continue
        taken.add(module.name)
        module.scan = scan(module.tree)
        _visit(module, readable.root / module.path, without_rewrapping(module.tree, code), collection, lines, extensions)
    _resolve(collection, lines, extensions)
    analysis = Analysis(readable, project_name, repo_url, commit, {m.path: m for m in modules}, {})
    names = {m.name for m in modules}
    for module in modules:
        if module.tree is not None:
            module.imports = {n for n in _imports(module, names) if n != module.name}
    analysis.symbols = _symbols(analysis)
    return analysis


def digest(*parts: object) -> str:
    """Hash facts, in their order."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _find_modules(checkout: Checkout) -> list[PyModule]:
    paths = [p for p in checkout.files if p.endswith(".py") or (p.endswith(".pyi") and p[:-1] not in checkout)]
    inits = {str(PurePosixPath(p).parent) for p in paths if PurePosixPath(p).stem == "__init__"}
    roots = {
        str(PurePosixPath(p).parent)
        for p in checkout.files
        if PurePosixPath(p).name in {"pyproject.toml", "setup.py", "setup.cfg"}
    }
    found = [PyModule(path, _module_name(path, roots, inits), "", api=_is_api(path)) for path in paths]
    if not any(m.api for m in found):
        for module in found:
            module.api = not _is_test(module.path)
    slugs: set[str] = set()
    for module in sorted(found, key=lambda m: (m.name, m.path)):
        if not module.api:
            continue
        slug = base = _slug(module.name)
        number = 2
        while slug in slugs:
            slug, number = f"{base}-{number}", number + 1
        slugs.add(slug)
        module.slug = slug
    return found


def _slug(name: str) -> str:
    slug = "api-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "module")
    return slug if len(slug) <= 80 else f"{slug[:70].rstrip('-')}-{digest(name)[:8]}"


def _is_test(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool({"test", "tests"} & set(pure.parts)) or pure.name.startswith("test_") or pure.stem in {"conftest"}


def _is_shipped(path: str) -> bool:
    pure = PurePosixPath(path)
    folders = set(pure.parts[:-1])
    if _is_test(path) or (pure.parts[0] in NOT_API and len(pure.parts) > 1) or any(f.startswith(".") for f in folders):
        return False
    return len(pure.parts) > 1 or pure.stem not in _NOT_MODULES


def _is_api(path: str) -> bool:
    pure = PurePosixPath(path)
    private = [p for p in (*pure.parts[:-1], pure.stem) if p.startswith("_") and p not in {"__init__", "__main__"}]
    return _is_shipped(path) and not private


def _module_name(path: str, roots: set[str], inits: set[str]) -> str:
    """Name a file as an import would: below the nearest project folder, ``src`` and the like left out."""
    pure = PurePosixPath(path)
    folders = list(pure.parts[:-1])
    start = 0
    for depth in range(len(folders), -1, -1):
        here = "/".join(folders[:depth]) or "."
        if here in roots and here not in inits:
            start = depth
            break
    if start < len(folders) and folders[start] in _LAYOUT_FOLDERS and "/".join(folders[: start + 1]) not in inits:
        start += 1
    if not all(f.isidentifier() for f in folders[start:]):
        start = next((d for d in range(len(folders)) if "/".join(folders[: d + 1]) in inits), len(folders))
    parts = folders[start:] + ([] if pure.stem == "__init__" else [pure.stem])
    return ".".join(parts) or (folders[-1] if folders else pure.stem)


def _parse(module: PyModule, code: str | None) -> None:
    if code is None:
        module.error = "the file is too large or cannot be read"
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.tree = ast.parse(code)
    except SyntaxError as error:
        module.error = f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        module.error = str(error) or type(error).__name__


def _visit(
    module: PyModule,
    path: Path,
    code: str,
    collection: griffe.ModulesCollection,
    lines: griffe.LinesCollection,
    extensions: griffe.Extensions,
) -> None:
    *parents, last = module.name.split(".")
    parent: griffe.Module | None = None
    for index, part in enumerate(parents):
        known = (parent.members if parent is not None else collection.members).get(part)
        if not isinstance(known, griffe.Module):
            known = griffe.Module(
                part, filepath=[path.parents[len(parents) - index - 1]], parent=parent, modules_collection=collection
            )
            _attach(known, parent, collection)
        parent = known
    lines[path] = code.splitlines()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = griffe.visit(
                last, path, code, extensions=extensions, parent=parent, lines_collection=lines, modules_collection=collection
            )
    except Exception as error:  # noqa: BLE001 - one odd file must not take the others with it
        module.error = f"{type(error).__name__}: {error}"
        return
    _attach(made, parent, collection)
    module.griffe = made


def _attach(module: griffe.Module, parent: griffe.Module | None, collection: griffe.ModulesCollection) -> None:
    if parent is None:
        collection.set_member(module.name, module)
    elif not isinstance(parent.members.get(module.name), griffe.Class | griffe.Function):
        parent.set_member(module.name, module)


def _resolve(collection: griffe.ModulesCollection, lines: griffe.LinesCollection, extensions: griffe.Extensions) -> None:
    loader = griffe.GriffeLoader(modules_collection=collection, lines_collection=lines, allow_inspection=False)
    for module in list(collection.members.values()):
        for step in (loader.expand_exports, loader.expand_wildcards):
            try:
                step(module)
            except Exception as error:  # noqa: BLE001 - an export that cannot be followed stays as written
                logging.getLogger(__name__).debug("exports of %s: %s", module.path, error)
    try:
        loader.resolve_aliases(implicit=True, external=False)
    except Exception as error:  # noqa: BLE001
        logging.getLogger(__name__).debug("aliases: %s", error)
    for module in list(collection.members.values()):
        try:
            # Dataclasses get the `__init__` that nobody wrote.
            extensions.call("on_package", pkg=module, loader=loader)
        except Exception as error:  # noqa: BLE001
            logging.getLogger(__name__).debug("extensions on %s: %s", module.path, error)


def _imports(module: PyModule, names: set[str]) -> Iterable[str]:
    """Return the modules of this repository that a module imports."""
    base = module.name if module.package else module.name.rpartition(".")[0]
    for node in module.scan.imports:
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        else:
            above = base.split(".")[: len(base.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *((node.module or "").split(".") if node.module else [])])
            wanted = [f"{source}.{a.name}" if f"{source}.{a.name}" in names else source for a in node.names]
        for name in wanted:
            known = next((n for n in _outward(name) if n in names), None)
            if known:
                yield known


def _outward(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def public_members(owner: griffe.Object) -> list[griffe.Object | griffe.Alias]:
    """Return what griffe calls public, in the order of the source; submodules are pages of their own."""
    found = [m for m in owner.members.values() if not (m.is_module if not m.is_alias else False) and _public(m)]
    return sorted(found, key=lambda m: ((m.alias_lineno if isinstance(m, griffe.Alias) else m.lineno) or 0, m.name))


def _public(member: griffe.Object | griffe.Alias) -> bool:
    try:
        if isinstance(member, griffe.Alias) and _package_export(member):
            return True
        return bool(member.is_public) or (member.name == "__init__" and member.is_function and bool(member.docstring))
    except Exception:  # noqa: BLE001 - an alias that leads nowhere
        return False


def _package_export(member: griffe.Alias) -> bool:
    """Say whether a package without ``__all__`` offers a name of its own modules."""
    parent = member.parent
    if not isinstance(parent, griffe.Module) or not parent.is_init_module or parent.exports is not None:
        return False
    return not member.name.startswith("_") and member.target_path.startswith(parent.path + ".")


def _symbols(analysis: Analysis) -> dict[str, tuple[str, str]]:
    known: dict[str, tuple[str, str]] = {}

    def add(owner: griffe.Object, slug: str) -> None:
        for member in public_members(owner):
            if not isinstance(member, griffe.Alias):
                known[member.path] = (slug, member.path)
                if member.is_class:
                    add(member, slug)

    for module in analysis.api:
        known.setdefault(module.name, (module.slug, ""))
        if module.griffe is not None:
            add(module.griffe, module.slug)
    for module in sorted(analysis.api, key=lambda m: (m.name.count("."), m.name)):
        _adopt(analysis, module, known)
    return known


def _adopt(analysis: Analysis, module: PyModule, known: dict[str, tuple[str, str]]) -> None:
    """Give a module's page the objects that it offers from modules without a page: where they are public is their place."""
    for alias in public_members(module.griffe) if module.griffe is not None else []:
        target = _led_to(alias)
        if target is None or target.is_module or target.path in known or _module_of(target) not in analysis.readable:
            continue
        public = f"{module.name}.{alias.name}"
        analysis.adopted.setdefault(module.name, []).append((public, target))
        for path in _paths(target):
            known[path] = known[public + path[len(target.path) :]] = (module.slug, public + path[len(target.path) :])


def _led_to(member: griffe.Object | griffe.Alias) -> griffe.Object | None:
    try:
        target = member.final_target if isinstance(member, griffe.Alias) else None
    except Exception:  # noqa: BLE001 - it leads out of the repository, or nowhere
        return None
    return target if isinstance(target, griffe.Object) else None


def _module_of(item: griffe.Object) -> str:
    while not isinstance(item, griffe.Module):
        if item.parent is None:
            return ""
        item = item.parent
    return item.path


def _paths(item: griffe.Object) -> list[str]:
    found = [item.path]
    for member in public_members(item) if isinstance(item, griffe.Class) else []:
        found += _paths(member) if isinstance(member, griffe.Object) else []
    return found
