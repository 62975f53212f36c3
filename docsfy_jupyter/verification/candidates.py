"""A page's mentions that can be looked up: which kind each is, and what would have to be found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from docsfy_jupyter.verification import rules
from docsfy_jupyter.verification.mentions import Mention, Page

_SHELL = {"sh", "bash", "shell", "console", "zsh", "shellsession", "terminal", "text", ""}
_PYTHON = {"python", "py", "python3", "pycon", "ipython"}
_DEFINED = re.compile(
    r"\b(?:def|class|function|const|let|var|fn|func|type|interface|struct|enum|trait|as|for)\s+([A-Za-z_]\w*)"
    r"|(?:^|[\s(,{])([A-Za-z_]\w*)\s*(?::[^=\n]{0,60})?=(?!=)|[\"'.]?\b([A-Za-z_]\w*)[\"']?\s*:|[\"']([A-Za-z_]\w*)[\"']",
    re.MULTILINE,
)
_Import = tuple[str, list[str]]  # a module and what is taken from it
_LINE_NUMBERS = re.compile(r"(?::\d+(?:-\d+)?|#L\d+(?:-L\d+)?)$")


@dataclass(frozen=True)
class Candidate:
    """One thing to look up.

    Parameters
    ----------
    kind : str
        ``name``, ``path``, ``flag``, ``variable``, ``link`` or ``import``.
    name : str
        As people are told it.
    words : tuple of str
        All of them stand in the clone when it is there.
    around : str
        The paragraph that it stands in; empty where that says nothing about whose it is.
    """

    kind: str
    name: str
    words: tuple[str, ...]
    around: str = ""


@dataclass(frozen=True)
class Own:
    """What belongs to the repository: its commands, and the packages that can be imported from it."""

    commands: Set[str]
    roots: Set[str]

    def runs(self, line: str) -> bool:
        """Say whether a command line is one of the project's."""
        bare = re.sub(r"^(?:\$|>|%)\s+", "", line.strip())
        return any(bare == command or bare.startswith(f"{command} ") for command in self.commands)


def candidates(page: Page, own: Own) -> Iterator[Candidate]:
    """Yield what can be looked up, in the order of a page's spans, then of its code, then of its links."""
    imported = [list(_import_lines(code)) for _, code in page.blocks]
    strangers = _strangers(page, imported, own)
    for span in page.spans:
        if len(span.text) <= 160 and not rules.WEB.search(span.text):
            for found in _of_span(span, own):
                if found.kind != "name" or found.words[0] not in strangers:
                    yield found
    for (language, code), lines in zip(page.blocks, imported, strict=True):
        if language in _PYTHON:
            yield from _imports(lines, own)
        elif language in _SHELL:
            for line in code.replace("\\\n", " ").splitlines():
                yield from _command(line, own)
    for link in page.links:
        target = unquote(link.text.split("#")[0].split("?")[0])
        if not rules.WEB.search(link.text) and not link.text.startswith(("#", "/")) and ":" not in target and target:
            yield Candidate("link", link.text, ())


def _strangers(page: Page, imported: Sequence[Sequence[_Import]], own: Own) -> set[str]:
    """Return the names that the page's own code defines, or imports from elsewhere, or that it links to on the web."""
    names = set(page.web)
    for _, code in page.blocks:
        names.update(name for found in _DEFINED.findall(code) for name in found if name)
    for module, members in chain.from_iterable(imported):
        if module.split(".")[0] not in own.roots:
            names.update([*members, module.split(".")[0]])
    return names


def _of_span(span: Mention, own: Own) -> Iterator[Candidate]:
    text = span.text
    if text.startswith("-"):
        if "<" not in text.split("=")[0] and not re.match(r"--?[\w-]+\s+[^-<\[{\s].*\s", text):
            yield from (_flag(flag, span.around) for flag in rules.FLAG.findall(text) if not rules.is_common_flag(flag))
    elif re.match(r"(?:from|import)\s+[\w.]+", text):
        yield from _imports(_import_lines(text), own)
    elif variable := rules.VARIABLE.fullmatch(text):
        if not rules.is_common_variable(variable[1]):
            yield Candidate("variable", variable[1], (variable[1],), span.around)
    elif " " in text and not re.fullmatch(r"[\w.]+\(.*\)", text):
        yield from _command(text, own)
    elif not rules.is_stand_in(text):
        yield from _path_or_name(text, span.around, own)


def _path_or_name(text: str, around: str, own: Own) -> Iterator[Candidate]:
    path = _LINE_NUMBERS.sub("", text)
    ending = rules.suffix(path)
    if rules.PATH.fullmatch(path) and ("/" in path.strip("/") or ending in rules.SUFFIXES):
        if rules.is_file_name(path):
            yield Candidate("path", path, (), around)
        return
    found = rules.NAME.fullmatch(text)
    if found is None or rules.is_stand_in(found[1]):
        return
    parts, called = found[1].split("."), bool(found[2])
    if len(parts) == 1:
        if rules.is_telling(parts[0], called=called) and not rules.is_common(parts[0]):
            yield Candidate("name", parts[0] + ("()" if called else ""), (parts[0],), around)
    elif not rules.is_common(parts[0]) and parts[0] not in {"self", "cls"}:
        yield Candidate("name", found[1] + ("()" if called else ""), tuple(parts), around)


def _command(line: str, own: Own) -> Iterator[Candidate]:
    """Read a line of a shell: the options of the project's own commands, up to where another command begins."""
    for command in re.split(r"&&|\|\|?|;|\s#", line):
        if own.runs(command):
            before = command.strip().split(" -- ")[0]
            yield from (_flag(flag, "") for flag in rules.FLAG.findall(before) if not rules.is_common_flag(flag))


def _flag(flag: str, around: str) -> Candidate:
    return Candidate("flag", flag, (), around)


def _imports(lines: Iterable[_Import], own: Own) -> Iterator[Candidate]:
    for module, names in lines:
        if module.split(".")[0] in own.roots:
            for name in names or [""]:
                yield Candidate("import", f"{module}.{name}" if name else module, ())


def _import_lines(code: str) -> Iterator[_Import]:
    """Yield what a piece of Python imports; line by line where it is no whole program."""
    if "import" not in code:  # most code, which then need not be parsed
        return
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = re.findall(r"^(?:>>> |\.\.\. |In \[\d+\]: )?[ \t]*+((?:from|import) [^\n#;]+)", code, re.MULTILINE)
        nodes = [node for line in lines for node in _parsed(line)]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, [alias.name for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)


def _parsed(line: str) -> list[ast.stmt]:
    try:
        return ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return []
