"""Docstrings as Markdown: numpy, Google and Sphinx style, each told apart by itself."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import griffe

Linker = Callable[[str], str]
_ROLE = re.compile(r":(?:[a-z]+:)?[a-z]+:`(~|!)?([^`<]*?)(?:\s*<([^`>]*)>)?`")
_DIRECTIVE = re.compile(r"^(\s*)\.\. ([a-z-]+)::\s*(.*)$")
_CALLOUTS = {
    "note": "NOTE", "warning": "WARNING", "tip": "TIP", "important": "IMPORTANT", "caution": "CAUTION", "danger": "CAUTION",
    "seealso": "NOTE", "admonition": "NOTE", "hint": "TIP", "attention": "WARNING",
}  # fmt: skip
_VERSIONS = {"versionadded": "Added in version", "versionchanged": "Changed in version", "deprecated": "Deprecated since version"}
_CODE = {"code-block", "sourcecode", "code", "testcode", "parsed-literal", "doctest", "highlight"}
_TABLES = {
    "parameters": "Parameters", "other_parameters": "Other parameters", "raises": "Raises", "warns": "Warns",
    "returns": "Returns", "yields": "Yields", "receives": "Receives", "attributes": "Attributes",
    "functions": "Functions", "classes": "Classes", "modules": "Modules", "type_parameters": "Type parameters",
}  # fmt: skip


def code(text: str) -> str:
    """Write inline code that may itself hold backticks."""
    text = " ".join(text.split())
    if not text:
        return ""
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """Write a block of code."""
    ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def cell(text: str) -> str:
    """Make text fit into one cell of a table."""
    flat = re.sub(r"`{3,}\w*", "", text)
    return " ".join(flat.split()).replace("\\|", "|").replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table; columns that are empty in every row are left out."""
    names = list(head)
    body = [[cell(value) for value in row] for row in rows]
    used = [i for i in range(len(names)) if any(row[i] for row in body)]
    lines = [[names[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in body)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(docstring: griffe.Docstring | None) -> str:
    """Return the first paragraph as one line."""
    if docstring is None:
        return ""
    first = re.split(r"\n\s*\n", docstring.value.strip(), maxsplit=1)[0]
    text = " ".join(prose(first).split()).removesuffix(":")
    return text if len(text) < 300 else text[:297].rsplit(" ", 1)[0] + " …"


def render(docstring: griffe.Docstring, link: Linker) -> str:
    """Write a docstring's sections.

    Parameters
    ----------
    docstring : griffe.Docstring
        With its parent, whose signature gives types and defaults that the text leaves out.
    link : callable
        Turns a type or name into Markdown, linked where it is documented.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            style, _ = griffe.infer_docstring_style(docstring)
            sections = docstring.parse(style or griffe.Parser.sphinx, warnings=False)
    except Exception:  # noqa: BLE001 - a docstring that no parser takes is shown as text
        return prose(docstring.value)
    return "\n\n".join(part for part in (_section(s, link) for s in sections) if part)


def _section(section: Any, link: Linker) -> str:
    kind = section.kind.value
    if kind == "text":
        return prose(section.value)
    title = section.title or _TABLES.get(kind.replace(" ", "_"), "")
    if kind == "examples":
        parts = [prose(v) if k.value == "text" else fence(v, "pycon" if ">>>" in v else "python") for k, v in section.value]
        return "\n\n".join([f"**{section.title or 'Examples'}**", *parts])
    if kind == "deprecated":
        return callout("WARNING", f"Deprecated since version {section.value.version}: {section.value.description}")
    if kind == "admonition":
        word = str(section.value.kind).lower()
        return callout(
            _CALLOUTS.get(word, "NOTE"), f"**{section.title or word.capitalize()}**\n\n{prose(section.value.description)}"
        )
    rows = [_row(item, kind, link) for item in section.value]
    if not rows:
        return ""
    label = "Name" if kind not in {"raises", "warns"} else "Exception"
    return f"**{title or kind.capitalize()}**\n\n{table((label, 'Type', 'Default', 'Description'), rows)}"


def _row(item: Any, kind: str, link: Linker) -> tuple[str, str, str, str]:
    annotation = str(item.annotation) if getattr(item, "annotation", None) is not None else ""
    text = prose(getattr(item, "description", "") or "")
    if kind in {"raises", "warns"}:
        return link(annotation), "", "", text
    default = getattr(item, "default", None)
    return code(getattr(item, "name", "") or ""), link(annotation), code(str(default)) if default is not None else "", text


def callout(kind: str, text: str) -> str:
    """Write a callout."""
    return "\n".join([f"> [!{kind}]", *(f"> {line}".rstrip() for line in text.strip().splitlines())])


def prose(text: str) -> str:
    """Turn reStructuredText of docstrings into Markdown; text that is Markdown already stays."""
    lines = text.expandtabs(4).strip("\n").splitlines()
    out: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        match = _DIRECTIVE.match(line)
        if line.lstrip().startswith(("```", "~~~")):
            mark = line.lstrip()[:3]
            stop = next((i for i in range(at + 1, len(lines)) if lines[i].lstrip().startswith(mark)), len(lines) - 1)
            out += lines[at : stop + 1]
            at = stop + 1
        elif match:
            body, at = _indented(lines, at + 1, len(match.group(1)))
            out += ["", *_directive(match.group(2), match.group(3), body), ""]
        elif line.lstrip().startswith(">>>"):
            stop = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
            out += ["", *fence(textwrap.dedent("\n".join(lines[at:stop])), "pycon").splitlines(), ""]
            at = stop
        elif line.rstrip().endswith("::") and _opens_block(lines, at):
            body, stop = _indented(lines, at + 1, len(line) - len(line.lstrip()))
            lead = line.rstrip().removesuffix("::").rstrip()
            out += [_inline(lead + ":") if lead.strip() else "", "", *fence(body, "").splitlines(), ""]
            at = stop
        elif _defines(lines, at):
            body, stop = _indented(lines, at + 1, len(line) - len(line.lstrip()))
            out += ["- " + _inline(line.strip()), *(f"  {part}".rstrip() for part in prose(body).splitlines())]
            at = stop
        else:
            out.append(_inline(line))
            at += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def _defines(lines: list[str], at: int) -> bool:
    """Say whether a line is the term of a definition list."""
    line = lines[at]
    if not line.strip() or len(line) > 70 or re.match(r"\s*([-*+|>]|\d+[.)])", line) or at + 1 >= len(lines):
        return False
    alone = at == 0 or not lines[at - 1].strip()
    return alone and bool(lines[at + 1].strip()) and _opens_block(lines, at)


def _opens_block(lines: list[str], at: int) -> bool:
    depth = len(lines[at]) - len(lines[at].lstrip())
    following = next((text for text in lines[at + 1 :] if text.strip()), "")
    return len(following) - len(following.lstrip()) > depth


def _indented(lines: list[str], at: int, depth: int) -> tuple[str, int]:
    stop = at
    while stop < len(lines) and (not lines[stop].strip() or len(lines[stop]) - len(lines[stop].lstrip()) > depth):
        stop += 1
    return textwrap.dedent("\n".join(lines[at:stop])).strip("\n"), stop


def _directive(name: str, argument: str, body: str) -> list[str]:
    if name in _VERSIONS:
        rest = f": {' '.join(prose(body).split())}" if body.strip() else "."
        return [f"*{_VERSIONS[name]} {argument}*{rest}"]
    options = re.compile(r"^:[a-z-]+:.*$", re.MULTILINE)
    if name in _CODE:
        return fence(options.sub("", body).strip("\n"), {"pycon3": "pycon", "default": ""}.get(argument, argument)).splitlines()
    if name in _CALLOUTS:
        return callout(_CALLOUTS[name], "\n\n".join(p for p in (argument, prose(options.sub("", body))) if p)).splitlines()
    if name in {"image", "figure", "module", "currentmodule", "automodule", "autofunction", "autoclass", "testsetup", "index"}:
        return []
    return prose("\n\n".join(p for p in (argument, body) if p)).splitlines()


def _inline(line: str) -> str:
    def role(match: re.Match[str]) -> str:
        text = match.group(2)
        return code(text.rpartition(".")[2] if match.group(1) == "~" else text.lstrip("."))

    line = _ROLE.sub(role, line)
    line = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", line)
    line = re.sub(r"`([^`<]+?)\s*<(https?://[^>`\s]+)>`__?", r"[\1](\2)", line)
    line = re.sub(r"(?<!`)`[.~]([A-Za-z_][\w.]*)`", r"`\1`", line)
    stripped = line.lstrip()
    if stripped.startswith("#"):
        line = line.replace("#", "\\#", 1)
    return stripped if len(line) - len(stripped) >= 4 and not re.match(r"[-*\d]", stripped) else line
