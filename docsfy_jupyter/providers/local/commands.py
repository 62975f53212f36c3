"""Options and arguments of command lines: argparse, optparse, click and typer, read from syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from docsfy_jupyter.providers.local.scan import Parsed
from docsfy_jupyter.providers.local.syntax import Option, called, dotted, shown, spelled

_DECLARING = {"add_argument", "add_option", "option", "argument"}


def command_options(module: Parsed) -> list[Option]:
    """Return the options and arguments that a module declares, in the order of its source."""
    used = {(n.module or "").split(".")[0] for n in module.scan.imports if isinstance(n, ast.ImportFrom)}
    used |= {a.name.split(".")[0] for n in module.scan.imports if isinstance(n, ast.Import) for a in n.names}
    found: list[Option] = []
    if used & {"argparse", "click", "optparse", "typer"}:
        parsers = _Parsers(module) if used & {"argparse"} else None
        for call, owner in module.scan.calls:
            found += _declared(module.path, call, parsers.command(call, owner) if parsers else owner)
    if "typer" in used:
        for function in module.scan.functions:
            if any(called(d).rpartition(".")[2] in {"command", "callback"} for d in function.decorator_list):
                found += _typer(module.path, function)
    return sorted(found, key=lambda o: o.line)


class _Parsers:
    """Which command of argparse a variable stands for, by where it is assigned.

    Parameters
    ----------
    module : Parsed
        Whose assignments are read.
    """

    def __init__(self, module: Parsed) -> None:
        nodes = ast.walk(module.tree) if module.tree is not None else ()
        assigned = (n for n in nodes if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call))
        self._assigned = sorted(assigned, key=lambda n: n.lineno)

    def command(self, call: ast.Call, owner: str) -> str:
        """Return the command that a call adds to; the function around it when that is the main one or unknown."""
        words = self._words(call, call.lineno)
        return " ".join(reversed(words)) or owner

    def _words(self, call: ast.Call, line: int) -> list[str]:
        maker = self._maker(call, line)
        if maker is None:
            return []
        first = maker.args[0] if maker.args else None
        named = called(maker).endswith("add_parser") and isinstance(first, ast.Constant)
        return ([str(first.value)] if named and isinstance(first, ast.Constant) else []) + self._words(maker, maker.lineno)

    def _maker(self, call: ast.Call, line: int) -> ast.Call | None:
        """Return what the variable before a call's last dot was assigned, last before a line."""
        variable = dotted(call.func).rpartition(".")[0]
        for node in reversed(self._assigned):
            if variable and node.lineno < line and any(dotted(t) == variable for t in node.targets):
                return node.value if isinstance(node.value, ast.Call) else None
        return None


def _declared(path: str, call: ast.Call, owner: str) -> Iterator[Option]:
    """Read a call that spells its flags out."""
    name = called(call).rpartition(".")[2]
    flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    words = {k.arg: k.value for k in call.keywords if k.arg}
    if name == "add_parser" and flags:
        yield Option(path, call.lineno, owner, f"{flags[0]} (command)", "", spelled(words.get("help")))
    elif name in _DECLARING and flags:
        yield Option(path, call.lineno, owner, ", ".join(flags), _default(words), _help(words), _kind(words))


def _default(words: dict[str, ast.expr]) -> str:
    required = words.get("required")
    needed = isinstance(required, ast.Constant) and required.value is True
    return "required" if needed and "default" not in words else shown(words.get("default"))


def _help(words: dict[str, ast.expr]) -> str:
    text = spelled(words.get("help"))
    choices = words.get("choices")
    one_of = f"One of `{shown(choices)}`." if choices is not None else ""
    return " ".join(part for part in (text, one_of) if part)


def _kind(words: dict[str, ast.expr]) -> str:
    action = words.get("action")
    flag = words.get("is_flag") or action
    if isinstance(flag, ast.Constant) and flag.value in {True, "store_true", "store_false"}:
        return "flag"
    return shown(words.get("type"))


def _typer(path: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Option]:
    """Read a command's parameters: typer makes an option or an argument of each, by annotation and default."""
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(function.args.defaults)) + list(function.args.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)]
    for parameter, default in pairs:
        kind = ast.unparse(parameter.annotation) if parameter.annotation else ""
        if kind.rpartition(".")[2] != "Context":
            yield _typer_parameter(path, function.name, parameter, default)


def _typer_parameter(path: str, owner: str, parameter: ast.arg, default: ast.expr | None) -> Option:
    kind, declared = parameter.annotation, None
    if (
        isinstance(kind, ast.Subscript)
        and dotted(kind.value).rpartition(".")[2] == "Annotated"
        and isinstance(kind.slice, ast.Tuple)
    ):
        declared = next((part for part in kind.slice.elts[1:] if _declares(part)), None)
        kind = kind.slice.elts[0]
    arguments = list(declared.args) if isinstance(declared, ast.Call) else []
    if _declares(default) and isinstance(default, ast.Call):
        declared, arguments = default, list(default.args[1:])
        default = default.args[0] if default.args else next((k.value for k in default.keywords if k.arg == "default"), None)
        default = None if isinstance(default, ast.Constant) and default.value is ... else default
    words = {k.arg: k.value for k in declared.keywords if k.arg} if isinstance(declared, ast.Call) else {}
    flags = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    option = called(declared).endswith("Option") if declared is not None else default is not None
    type_name = shown(kind)
    if not option:
        name = parameter.arg.upper()
    elif flags:
        name = ", ".join(flags)
    else:
        dashed = parameter.arg.replace("_", "-")
        name = f"--{dashed} / --no-{dashed}" if type_name == "bool" else f"--{dashed}"
    return Option(
        path, parameter.lineno, owner, name, shown(default) if default is not None else "required", _help(words), type_name
    )


def _declares(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and called(node).rpartition(".")[2] in {"Option", "Argument"}
