"""The page of one Python module."""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence

import griffe

from docsfy_jupyter.providers.local.analysis import Analysis, PyModule, public_members
from docsfy_jupyter.providers.local.docstrings import code, fence, render, summary, table
from docsfy_jupyter.providers.local.files import source_url
from docsfy_jupyter.providers.local.signatures import constructor, signature, title

_WORD = re.compile(r"[A-Za-z_][\w.]*")
_MENTION = re.compile(r"(?<![\[`\w])`([A-Za-z_][\w.]*)(?:\(\))?`(?![`\]])")


class ModulePage:
    """Writes one module.

    Parameters
    ----------
    analysis : Analysis
        Of the whole checkout.
    module : PyModule
        The page's.
    """

    def __init__(self, analysis: Analysis, module: PyModule) -> None:
        self.analysis = analysis
        self.module = module
        # Whose names and lines are meant: another module's while an object of it is shown here.
        self._scope = module

    def write(self) -> str:
        """Return the page's Markdown."""
        parts = [f"# {code(self.module.name)}", self._where()]
        if self.module.error:
            parts.append(
                f"> [!WARNING]\n> This file could not be read as Python ({self.module.error}); its contents are not listed here."
            )
        node = self.module.griffe
        if node is None:
            return "\n\n".join(parts)
        if node.docstring:
            parts.append(render(node.docstring, self.link))
        members = public_members(node)
        adopted = self.analysis.adopted.get(self.module.name, [])
        here = {public for public, _ in adopted}
        own = [(m.path, m) for m in members if isinstance(m, griffe.Object)] + adopted
        again = [m for m in members if isinstance(m, griffe.Alias) and f"{self.module.name}.{m.name}" not in here]
        parts += [self._submodules(), self._contents(own)]
        kinds = {"class": "Classes", "function": "Functions", "attribute": "Constants and variables"}
        for kind in dict.fromkeys([*kinds, *(m.kind.value for _, m in own)]):
            chosen = [self._member(m, 3, public) for public, m in own if m.kind.value == kind]
            parts += [f"## {kinds.get(kind, 'Other names')}", *chosen] if chosen else []
        parts += [self._again(again), self._imports()]
        return self._cross_link("\n\n".join(part for part in parts if part))

    def link(self, text: str) -> str:
        """Write a type or name as code, linked when all of it is one documented symbol."""
        if not text:
            return ""
        names = [w for w in dict.fromkeys(_WORD.findall(text)) if self._target(w)]
        if len(names) == 1 and names[0] == text.strip():
            return f"[{code(text)}]({self._target(text.strip())})"
        see = ", ".join(f"[{code(n)}]({self._target(n)})" for n in names[:3])
        return f"{code(text)} ({see})" if see else code(text)

    def _target(self, name: str) -> str:
        """Return the address of a documented symbol, as this module would resolve its name."""
        scope = self._scope
        found = self.analysis.symbols.get(name) or self.analysis.symbols.get(f"{scope.name}.{name}")
        if found is None and scope.griffe is not None and not hasattr(builtins, name):
            try:
                path = scope.griffe.resolve(name)
                found = self.analysis.symbols.get(path) or self.analysis.symbols.get(self._final(path))
            except Exception:  # noqa: BLE001 - a name from elsewhere
                return ""
        if found is None:
            return ""
        slug, anchor = found
        if slug == self.module.slug and not anchor:
            return ""
        where = "" if slug == self.module.slug and anchor else f"{slug}.md"
        return f"{where}#{anchor}" if anchor else where

    def _final(self, path: str) -> str:
        try:
            return str(self.module.griffe.modules_collection[path].canonical_path) if self.module.griffe else path
        except Exception:  # noqa: BLE001
            return path

    def _cross_link(self, text: str) -> str:
        """Link the first mention of each documented symbol in prose; headings, tables and code stay."""
        seen: set[str] = set()

        def linked(match: re.Match[str]) -> str:
            target = "" if match.group(1) in seen else self._target(match.group(1))
            if target == here:
                return match.group(0)
            seen.add(match.group(1))
            return f"[{match.group(0)}]({target})" if target else match.group(0)

        lines = text.split("\n")
        fenced = here = ""
        for at, line in enumerate(lines):
            mark = re.match(r"[\s>]*(`{3,}|~{3,})", line)
            if mark and (not fenced or mark.group(1).startswith(fenced)):
                fenced = "" if fenced else mark.group(1)
            elif not fenced and not mark and line.startswith("#"):
                here = line.rpartition("{")[2].removesuffix("}")
            elif not fenced and not mark and not line.startswith("|"):
                lines[at] = _MENTION.sub(linked, line)
        return "\n".join(lines)

    def _place(self, line: int | None, end: int | None, text: str) -> str:
        url = source_url(self.analysis.repo_url, self.analysis.commit, self._scope.path, line, end)
        return f"[{text}]({url})" if url else text

    def _where(self) -> str:
        kind = "Package" if self.module.package else "Module"
        return f"{kind} {code(self.module.name)}, defined in {self._place(None, None, code(self.module.path))}."

    def _submodules(self) -> str:
        inside = [m for m in self.analysis.inside.get(self.module.name, []) if m.path != self.module.path]
        if not inside or not self.module.package:
            return ""
        # Only names: a summary of another file would make this page depend on that file's text.
        return "## Modules in this package\n\n" + "\n".join(f"- [{code(m.name)}]({m.slug}.md)" for m in inside)

    def _contents(self, own: Sequence[tuple[str, griffe.Object]]) -> str:
        if len(own) < 3:
            return ""
        rows = [(f"[{code(public.rpartition('.')[2])}](#{public})", m.kind.value, summary(m.docstring)) for public, m in own]
        return "## Contents\n\n" + table(("Name", "Kind", "Summary"), rows)

    def _member(self, item: griffe.Object, level: int, public: str) -> str:
        """Write one object; `public` is the name that it has here."""
        before = self._scope
        self._scope = self.analysis.readable.get(item.module.path, before)
        try:
            return self._described(item, level, public)
        finally:
            self._scope = before

    def _described(self, item: griffe.Object, level: int, public: str) -> str:
        mark = "#" * min(level, 6)
        parts = [f"{mark} {code(title(item, public))} {{#{public}}}", fence(signature(item), "python")]
        labels = [
            word for word in ("property", "cached", "classmethod", "staticmethod", "async", "abstractmethod", "writable")
            if word in item.labels
        ]  # fmt: skip
        line = f", line {item.lineno}" if item.lineno else ""
        place = self._place(item.lineno, item.endlineno, code(self._scope.path) + line)
        parts.append(f"Defined in {place}." + (f" ({', '.join(labels)})" if labels else ""))
        if isinstance(item, griffe.Class) and item.bases:
            parts.append("Bases: " + ", ".join(self.link(str(b)) for b in item.bases))
        if item.docstring:
            parts.append(render(item.docstring, self.link))
        parts.append(self._parameters(item))
        if isinstance(item, griffe.Function) or "property" in item.labels:
            parts += [self._returns(item), self._raises(item)]
        if isinstance(item, griffe.Class):
            members = public_members(item)
            parts += [self._member(m, level + 1, f"{public}.{m.name}") for m in members if isinstance(m, griffe.Object)]
            parts.append(self._inherited(item))
        return "\n\n".join(p for p in parts if p)

    def _parameters(self, item: griffe.Object) -> str:
        """List what the signature says when the docstring has no list of its own."""
        called = constructor(item) if isinstance(item, griffe.Class) else item
        if not isinstance(called, griffe.Function) or (called is not item and called.docstring):
            return ""  # A constructor with a docstring is described below, as a member.
        text = item.docstring.value if item.docstring else ""
        if re.search(r"^\s*(Parameters\s*\n\s*-{3,}|(Args|Arguments|Parameters|Params):|:param\b)", text, re.MULTILINE):
            return ""
        wanted = [p for p in called.parameters if p.name not in {"self", "cls"}]
        if not wanted:
            return ""
        rows = [
            (code(p.name), self.link(str(p.annotation)) if p.annotation is not None else "",
             code(str(p.default)) if p.default is not None else "") for p in wanted
        ]  # fmt: skip
        return "**Parameters**\n\n" + table(("Name", "Type", "Default"), rows)

    def _returns(self, item: griffe.Object) -> str:
        """Say what the signature says is returned, when the docstring does not."""
        returned = item.returns if isinstance(item, griffe.Function) else getattr(item, "annotation", None)
        text = item.docstring.value if item.docstring else ""
        if (
            returned is None
            or str(returned) == "None"
            or re.search(r"^\s*(Returns|Yields|:returns?:|:rtype:)", text, re.MULTILINE)
        ):
            return ""
        return f"**Returns** {self.link(str(returned))}"

    def _raises(self, item: griffe.Object) -> str:
        names = self._scope.scan.raised.get((item.name, item.endlineno or item.lineno or 0), [])
        return "Raised in its body: " + ", ".join(self.link(n) for n in names) + "." if names else ""

    def _inherited(self, item: griffe.Class) -> str:
        shown: list[str] = []
        for name, path in self.analysis.inherited(item):
            target = self._target(path)
            shown.append(f"[{code(name)}]({target})" if target else code(name))
        return "Inherited: " + ", ".join(shown) + "." if shown else ""

    def _again(self, again: list[griffe.Alias]) -> str:
        if not again:
            return ""
        rows = []
        for item in again:
            final = self._final(item.target_path)
            target = self._target(final)
            rows.append((code(item.name), f"[{code(final)}]({target})" if target else code(final)))
        return "## Re-exported here\n\n" + table(("Name", "Defined as"), rows)

    def _imports(self) -> str:
        slugs = self.analysis.slugs
        used = [f"[{code(n)}]({slugs[n]}.md)" for n in sorted(self.module.imports) if n in slugs]
        return "## Imports from this repository\n\n" + ", ".join(used) if used else ""
