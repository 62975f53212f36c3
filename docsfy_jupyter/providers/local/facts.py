"""Facts about configuration, read from syntax trees."""

from __future__ import annotations

import ast
import re

from docsfy_jupyter.providers.local.analysis import Analysis, PyModule
from docsfy_jupyter.providers.local.files import SECRET_WORD, is_env_example
from docsfy_jupyter.providers.local.syntax import Option, called, dotted, shown, spelled

_TRAITS = {
    "Unicode", "Bool", "Int", "Integer", "Float", "List", "Dict", "Set", "Tuple", "Enum", "CaselessStrEnum", "Instance",
    "Any", "Type", "Union", "TypeFromClasses", "CUnicode", "CInt", "CBool", "Bytes",
}  # fmt: skip

_READS = {"os.getenv", "getenv", "os.environ.get", "environ.get", "os.environ.setdefault", "os.environ.pop"}


def environment(module: PyModule) -> list[Option]:
    """Return the environment variables that a module reads."""
    found: dict[str, Option] = {}
    reads: list[ast.Subscript | ast.Call] = [*module.scan.subscripts, *(call for call, _ in module.scan.calls)]
    for node in sorted(reads, key=lambda n: (n.lineno, n.col_offset)):
        name, default = _environment_read(node)
        if name:
            value = "…" if default and SECRET_WORD.search(name) else default
            found.setdefault(name, Option(module.path, node.lineno, "", name, value, ""))
    return list(found.values())


def _environment_read(node: ast.Subscript | ast.Call) -> tuple[str, str]:
    if isinstance(node, ast.Subscript):
        known = isinstance(node.slice, ast.Constant) and dotted(node.value) in {"os.environ", "environ"}
        return (str(node.slice.value), "") if known and isinstance(node.slice, ast.Constant) else ("", "")
    if node.args and isinstance(node.args[0], ast.Constant) and called(node) in _READS:
        return str(node.args[0].value), shown(node.args[1]) if len(node.args) > 1 else ""
    return "", ""


def settings(module: PyModule) -> list[Option]:
    """Return the fields of pydantic settings classes and the configurable traits of a module."""
    found = []
    for node in module.scan.classes:
        pydantic = any(dotted(base).rpartition(".")[2] == "BaseSettings" for base in node.bases)
        for item in node.body:
            if pydantic and isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                default = "…" if SECRET_WORD.search(item.target.id) and item.value else shown(item.value)
                found.append(
                    Option(module.path, item.lineno, node.name, item.target.id, default, "", ast.unparse(item.annotation))
                )
            elif (
                isinstance(item, ast.Assign)
                and isinstance(item.targets[0], ast.Name)
                and (row := _trait(item, item.targets[0].id))
            ):
                found.append(Option(module.path, item.lineno, node.name, *row))
    return found


def _trait(item: ast.Assign, name: str) -> tuple[str, str, str] | None:
    value = item.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "tag":
        configurable = any(k.arg == "config" and isinstance(k.value, ast.Constant) and k.value.value for k in value.keywords)
        made = value.func.value
        if configurable and isinstance(made, ast.Call) and called(made).rpartition(".")[2] in _TRAITS:
            words = {k.arg: k.value for k in made.keywords if k.arg}
            default = words.get("default_value") or (made.args[0] if made.args else None)
            return name, "…" if SECRET_WORD.search(name) and default else shown(default), spelled(words.get("help"))
    return None


def env_examples(analysis: Analysis) -> dict[str, list[str]]:
    """Return the keys of sample environment files; their values are never read into a page."""
    found = {}
    for path in analysis.checkout.files:
        if is_env_example(path):
            keys = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", analysis.checkout.text(path) or "", re.MULTILINE)
            found[path] = list(dict.fromkeys(keys))
    return found
