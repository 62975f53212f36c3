"""The pages about the project as a whole. None of them names a line, so that edits elsewhere leave them as they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from docsfy_jupyter.providers.local.analysis import Analysis
from docsfy_jupyter.providers.local.commands import command_options
from docsfy_jupyter.providers.local.docstrings import code, fence, prose, table
from docsfy_jupyter.providers.local.facts import env_examples, environment, settings
from docsfy_jupyter.providers.local.files import source_url
from docsfy_jupyter.providers.local.packaging import Packaging
from docsfy_jupyter.providers.local.readme import Mender
from docsfy_jupyter.providers.local.syntax import Option

_LANGUAGES = {
    ".py": "Python", ".pyi": "Python", ".pyx": "Cython", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
    ".jsx": "JavaScript", ".ts": "TypeScript", ".tsx": "TypeScript", ".rs": "Rust", ".go": "Go", ".c": "C", ".h": "C",
    ".cpp": "C++", ".cc": "C++", ".hpp": "C++", ".java": "Java", ".kt": "Kotlin", ".rb": "Ruby", ".sh": "Shell",
    ".bash": "Shell", ".r": "R", ".jl": "Julia", ".ipynb": "Jupyter notebook", ".html": "HTML", ".css": "CSS",
    ".scss": "CSS", ".sql": "SQL", ".lua": "Lua", ".swift": "Swift", ".cs": "C#", ".php": "PHP",
}  # fmt: skip
_EXPORT = re.compile(
    r"^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(function\*?|class|const|let|interface|type|enum)\s+([A-Za-z_$][\w$]*)",
    re.MULTILINE,
)


@dataclass
class Draft:
    """One written page of the project."""

    markdown: str
    files: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def top_file(analysis: Analysis, *stems: str) -> str | None:
    """Return the first file of the top folder with one of these names, whatever its ending."""
    for stem in stems:
        for path in analysis.checkout.files:
            pure = PurePosixPath(path)
            ends = {".md", ".markdown", ".rst", ".txt", ""}
            if len(pure.parts) == 1 and pure.stem.lower() == stem and pure.suffix.lower() in ends:
                return path
    return None


def document(analysis: Analysis, path: str, pages: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a document of the repository as Markdown, with its images."""
    text = analysis.checkout.text(path) or ""
    if path.lower().endswith((".md", ".markdown")):
        text = re.sub(r"\A---\n[\s\S]*?\n---\n", "", text)
        mender = Mender(analysis, path, pages)
        return mender.mend(text).strip(), list(mender.images)
    return (rst(text) if path.lower().endswith(".rst") else fence(text.strip(), "text")), []


def rst(text: str) -> str:
    """Turn a reStructuredText document into Markdown: headings, code, roles and links."""
    out: list[str] = []
    marks: list[str] = []
    lines = re.sub(r"^\.\. (?:_[^:]+:.*|\|[^|]+\|.*)$", "", text, flags=re.MULTILINE).splitlines()
    heads: dict[str, str] = {}
    for line in lines:
        if re.fullmatch(r"([=\-~^\"'#*+.`])\1{2,}", line.rstrip()) and out and out[-1].strip():
            mark = line[0]
            marks += [] if mark in marks else [mark]
            key = f"DOCSFYHEADING{len(heads)}X"
            heads[key] = "#" * min(marks.index(mark) + 1, 6) + " " + out.pop().strip()
            out += ["", key, ""]
        elif not re.fullmatch(r"([=\-~^#*+])\1{3,}", line.rstrip()):
            out.append(line)
    done = prose("\n".join(out))
    return re.sub(r"DOCSFYHEADING\d+X", lambda m: heads[m.group(0)], done)


def overview(analysis: Analysis, packaging: Packaging, pages: Mapping[str, str]) -> Draft:
    """README, languages and layout."""
    readme = top_file(analysis, "readme")
    parts: list[str] = []
    files: list[str] = []
    if readme:
        text, files = document(analysis, readme, pages)
        parts.append(text)
    if not parts or not re.search(r"^(# |<h1|=+\s*$)", parts[0], re.MULTILINE):
        parts.insert(0, f"# {analysis.project_name}" + (f"\n\n{packaging.summary}" if packaging.summary and not readme else ""))
    parts += ["## Languages\n\n" + _languages(analysis), "## Layout\n\n" + _layout(analysis)]
    licence = top_file(analysis, "license", "licence", "copying")
    if licence or packaging.licence:
        named = f"The packaging metadata states the licence as {packaging.licence}. " if packaging.licence else ""
        parts.append("## Licence\n\n" + named + (f"The text is in {_linked(analysis, licence)}." if licence else ""))
    notebooks = [p for p in analysis.checkout.files if p.endswith(".ipynb")]
    if notebooks:
        parts.append("## Notebooks\n\n" + "\n".join(f"- {_linked(analysis, p)}" for p in notebooks[:100]))
    return Draft("\n\n".join(parts), files, [readme] if readme else [])


def _linked(analysis: Analysis, path: str) -> str:
    url = source_url(analysis.repo_url, analysis.commit, path)
    return f"[{code(path)}]({url})" if url else code(path)


def _languages(analysis: Analysis) -> str:
    counts = Counter(_LANGUAGES.get(PurePosixPath(p).suffix.lower(), "") for p in analysis.checkout.files)
    rows = [(name, str(n)) for name, n in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])) if name]
    return table(("Language", "Files"), rows) if rows else "No source file of a known programming language is tracked."


def _layout(analysis: Analysis) -> str:
    counts: Counter[str] = Counter()
    tops: list[str] = []
    for path in analysis.checkout.files:
        parts = PurePosixPath(path).parts
        for depth in range(1, min(len(parts), 3)):
            counts["/".join(parts[:depth])] += 1
        if len(parts) == 1:
            tops.append(path)
    lines = []
    for folder in sorted(counts, key=lambda f: f.split("/"))[:80]:
        depth = folder.count("/")
        lines.append(f"{'  ' * depth}{folder.rpartition('/')[2]}/  ({counts[folder]} file{'s' if counts[folder] != 1 else ''})")
    shown = [*lines, *tops[:40]]
    return fence("\n".join(shown), "text") if shown else "The repository tracks no readable file."


def _module_link(analysis: Analysis, path: str) -> str:
    module = analysis.modules[path]
    return f"[{code(module.name)}]({module.slug}.md)" if module.slug else code(path)


def _by_file(options: list[Option], analysis: Analysis, head: str) -> str:
    """Write a table for each file, headed by its module."""
    files: dict[str, list[Option]] = {}
    for option in options:
        files.setdefault(option.path, []).append(option)
    parts = []
    for path, rows in files.items():
        cells = [
            (code(o.owner), code(o.name), code(o.kind), o.default if o.default == "required" else code(o.default), o.text)
            for o in rows
        ]
        parts += [f"### {code(path)}", f"Declared in {_module_link(analysis, path)}."]
        parts.append(table(("In", head, "Type", "Default", "Description"), cells))
    return "\n\n".join(parts)


def _variables(options: list[Option], analysis: Analysis) -> str:
    """Write one table of all environment variables: a reader looks for a name, not for a file."""
    found: dict[str, list[Option]] = {}
    for option in options:
        found.setdefault(option.name, []).append(option)
    rows = [
        (code(name), ", ".join(code(d) for d in dict.fromkeys(o.default for o in reads) if d),
         ", ".join(dict.fromkeys(_module_link(analysis, o.path) for o in reads)))
        for name, reads in sorted(found.items())
    ]  # fmt: skip
    return table(("Variable", "Default", "Read in"), rows)


def command_line(analysis: Analysis, packaging: Packaging) -> Draft | None:
    """Entry points and options."""
    options = [o for m in analysis.shipped for o in command_options(m)]
    if not options and not packaging.scripts and not packaging.plugins:
        return None
    parts = ["# Command line"]
    if packaging.scripts:
        rows = [(code(n), code(t)) for n, t in sorted(packaging.scripts.items())]
        parts.append("## Commands\n\nInstalling the package provides these commands.\n\n" + table(("Command", "Runs"), rows))
    if packaging.plugins:
        plugins = sorted((code(g), code(n), code(t)) for g, entries in packaging.plugins.items() for n, t in entries.items())
        parts.append(
            "## Entry points\n\nOther programs find these by their group.\n\n" + table(("Group", "Name", "Leads to"), plugins)
        )
    if options:
        parts.append("## Options\n\n" + _by_file(options, analysis, "Option"))
    return Draft("\n\n".join(parts), sources=packaging.sources if packaging.scripts or packaging.plugins else [])


def configuration(analysis: Analysis) -> Draft | None:
    """Environment variables, settings classes, sample files."""
    variables = [o for m in analysis.shipped for o in environment(m)]
    fields = [o for m in analysis.shipped for o in settings(m)]
    examples = env_examples(analysis)
    if not variables and not fields and not examples:
        return None
    parts = ["# Configuration"]
    if variables:
        parts.append("## Environment variables\n\n" + _variables(variables, analysis))
    if fields:
        parts.append("## Settings\n\n" + _by_file(fields, analysis, "Setting"))
    for path, keys in examples.items():
        parts.append(f"## {code(path)}\n\nThis sample names the following keys.\n\n" + "\n".join(f"- {code(k)}" for k in keys))
    return Draft("\n\n".join(parts), sources=list(examples))


def testing(analysis: Analysis, packaging: Packaging) -> Draft | None:
    """Test frameworks, how to run them, workflows."""
    files = list(analysis.checkout.files)
    tests = [p for p in files if re.search(r"(^|/)(test_[^/]*|[^/]*_test)\.py$", p)]
    used = {line for p in tests[:200] for line in re.findall(r"^(?:import|from) (pytest|unittest|hypothesis|nose)\b",
            analysis.checkout.text(p) or "", re.MULTILINE)}  # fmt: skip
    flows = [
        p
        for p in files
        if re.match(r"\.github/workflows/.+\.ya?ml$", p) or p in {".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml"}
    ]
    if not tests and not flows:
        return None
    parts = ["# Tests and CI"]
    if tests:
        folders = Counter(str(PurePosixPath(p).parent) for p in tests)
        parts.append(
            f"The repository has {len(tests)} Python test files." + (f" They use {', '.join(sorted(used))}." if used else "")
        )
        runner = "python -m pytest" if "pytest" in used or not used else "python -m unittest"
        tools = [(n, c) for n, c in (("tox.ini", "tox"), ("noxfile.py", "nox")) if n in analysis.checkout]
        parts.append("## Run the tests\n\n" + fence("\n".join([runner, *(c for _, c in tools)]), "bash"))
        rows = [(code(f), str(n)) for f, n in sorted(folders.items())]
        parts.append("## Where they are\n\n" + table(("Folder", "Files"), rows))
    if flows:
        parts.append("## Workflows\n\n" + "\n".join(_workflow(analysis, p) for p in flows))
    return Draft("\n\n".join(parts), sources=flows)


def _workflow(analysis: Analysis, path: str) -> str:
    name = re.search(r"^name:\s*[\"']?(.+?)[\"']?\s*$", analysis.checkout.text(path) or "", re.MULTILINE)
    return f"- {_linked(analysis, path)}" + (f": {name.group(1)}" if name else "")


def other_languages(analysis: Analysis) -> Draft | None:
    """JavaScript and TypeScript exports, shell scripts, Makefile targets."""
    parts = []
    for path in analysis.checkout.files:
        if path.endswith((".js", ".mjs", ".ts", ".tsx", ".jsx")) and not re.search(
            r"(^|/)(node_modules|vendor|dist)/|\.min\.", path
        ):
            found = _EXPORT.findall(analysis.checkout.text(path) or "")
            if found:
                parts.append(
                    f"### {code(path)}\n\n" + "\n".join(f"- {code(n)} ({k})" for k, n in {n: (k, n) for k, n in found}.values())
                )
    parts = ["## JavaScript and TypeScript exports", *parts[:200]] if parts else []
    scripts = [p for p in analysis.checkout.files if p.endswith((".sh", ".bash"))]
    if scripts:
        parts.append("## Shell scripts\n\n" + "\n".join(f"- {_linked(analysis, p)}" for p in scripts[:100]))
    if "Makefile" in analysis.checkout:
        targets = re.findall(r"^([A-Za-z0-9][\w.-]*)\s*:(?!=)", analysis.checkout.text("Makefile") or "", re.MULTILINE)
        parts.append("## Makefile targets\n\n" + "\n".join(f"- {code('make ' + t)}" for t in dict.fromkeys(targets)))
    return Draft("\n\n".join(["# Scripts and other languages", *parts])) if parts else None
