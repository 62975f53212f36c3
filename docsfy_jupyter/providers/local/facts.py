"""Facts about command lines and configuration, read from syntax trees."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from docsfy_jupyter.providers.local.analysis import Analysis, PyModule
from docsfy_jupyter.providers.local.files import SECRET_WORD, is_env_example

_TRAITS = {
    "Unicode", "Bool", "Int", "Integer", "Float", "List", "Dict", "Set", "Tuple", "Enum", "CaselessStrEnum", "Instance",
    "Any", "Type", "Union", "TypeFromClasses", "CUnicode", "CInt", "CBool", "Bytes",
}  # fmt: skip

_READS = {"os.getenv", "getenv", "os.environ.get", "environ.get", "os.environ.setdefault", "os.environ.pop"}


@dataclass(frozen=True)
class Option:
    """One row: where, name, default, what it says."""

    path: str
    line: int
    owner: str
    name: str
    default: str
    text: str


def command_options(module: PyModule) -> list[Option]:
    """Return the options and arguments that a module declares for argparse, click or typer."""
    used = {(n.module or "").split(".")[0] for n in module.scan.imports if isinstance(n, ast.ImportFrom)}
    used |= {a.name.split(".")[0] for n in module.scan.imports if isinstance(n, ast.Import) for a in n.names}
    if not used & {"argparse", "click", "typer", "optparse"}:
        return []
    found = []
    for call, owner in module.scan.calls:
        name = _called(call).rpartition(".")[2]
        flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name in {"add_argument", "add_option", "option", "argument", "Option", "Argument"} and flags:
            words = {k.arg: k.value for k in call.keywords if k.arg}
            found.append(
                Option(module.path, call.lineno, owner, ", ".join(flags), _shown(words.get("default")), _text(words.get("help")))
            )
        elif name == "add_parser" and flags:
            words = {k.arg: k.value for k in call.keywords if k.arg}
            found.append(Option(module.path, call.lineno, owner, f"{flags[0]} (command)", "", _text(words.get("help"))))
    return sorted(found, key=lambda o: o.line)


def environment(module: PyModule) -> list[Option]:
    """Return the environment variables that a module reads."""
    found: dict[str, Option] = {}
    reads: list[ast.Subscript | ast.Call] = [*module.scan.subscripts, *(call for call, _ in module.scan.calls)]
    for node in sorted(reads, key=lambda n: (n.lineno, n.col_offset)):
        name, default = _environment_read(node)
        if name:
            shown = "…" if default and SECRET_WORD.search(name) else default
            found.setdefault(name, Option(module.path, node.lineno, "", name, shown, ""))
    return list(found.values())


def _environment_read(node: ast.Subscript | ast.Call) -> tuple[str, str]:
    if isinstance(node, ast.Subscript):
        known = isinstance(node.slice, ast.Constant) and _dotted(node.value) in {"os.environ", "environ"}
        return (str(node.slice.value), "") if known and isinstance(node.slice, ast.Constant) else ("", "")
    if node.args and isinstance(node.args[0], ast.Constant) and _called(node) in _READS:
        return str(node.args[0].value), _shown(node.args[1]) if len(node.args) > 1 else ""
    return "", ""


def settings(module: PyModule) -> list[Option]:
    """Return the fields of pydantic settings classes and the configurable traits of a module."""
    found = []
    for node in module.scan.classes:
        pydantic = any(_dotted(base).rpartition(".")[2] == "BaseSettings" for base in node.bases)
        for item in node.body:
            if pydantic and isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                default = "…" if SECRET_WORD.search(item.target.id) and item.value else _shown(item.value)
                found.append(Option(module.path, item.lineno, node.name, item.target.id, default, ast.unparse(item.annotation)))
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
        if configurable and isinstance(made, ast.Call) and _called(made).rpartition(".")[2] in _TRAITS:
            words = {k.arg: k.value for k in made.keywords if k.arg}
            default = words.get("default_value") or (made.args[0] if made.args else None)
            return name, "…" if SECRET_WORD.search(name) and default else _shown(default), _text(words.get("help"))
    return None


def env_examples(analysis: Analysis) -> dict[str, list[str]]:
    """Return the keys of sample environment files; their values are never read into a page."""
    found = {}
    for path in analysis.checkout.files:
        if is_env_example(path):
            keys = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", analysis.checkout.text(path) or "", re.MULTILINE)
            found[path] = list(dict.fromkeys(keys))
    return found


def _called(call: ast.Call) -> str:
    return _dotted(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _shown(node: ast.AST | None) -> str:
    text = ast.unparse(node) if node is not None else ""
    return text if len(text) <= 80 else text[:80] + " …"


def _text(node: ast.AST | None) -> str:
    """Return a string that is spelled out in the source, also over several parts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " ".join(node.value.split())
    if isinstance(node, ast.Call) and node.args:
        return _text(node.args[0])
    if isinstance(node, ast.BinOp):
        return f"{_text(node.left)} {_text(node.right)}".strip()
    return ""
