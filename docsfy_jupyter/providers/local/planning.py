"""From an analysis to a plan, and from a slug of the plan to its page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import griffe

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.providers.local.analysis import Analysis, PyModule, digest, public_members
from docsfy_jupyter.providers.local.docstrings import summary
from docsfy_jupyter.providers.local.files import redact
from docsfy_jupyter.providers.local.graph import architecture
from docsfy_jupyter.providers.local.naming import group_titles, short_titles
from docsfy_jupyter.providers.local.packaging import installation, read_packaging
from docsfy_jupyter.providers.local.project_pages import (
    Draft,
    command_line,
    configuration,
    document,
    other_languages,
    overview,
    testing,
    top_file,
)
from docsfy_jupyter.providers.local.python_page import ModulePage

_GUIDES = 100


@dataclass(frozen=True)
class _Entry:
    group: str
    slug: str
    title: str
    draft: Draft
    description: str = ""


def plan(analysis: Analysis) -> Plan:
    """Plan every page.

    Parameters
    ----------
    analysis : Analysis
        Of the checkout.

    Returns
    -------
    Plan
        Sources and fingerprints name everything that a page's text depends on.
    """
    groups: dict[str, list[PlanPage]] = {}
    for entry in _project_entries(analysis):
        facts = entry.draft.markdown.replace(analysis.commit, "") if analysis.commit else entry.draft.markdown
        page = PlanPage(
            slug=entry.slug, title=entry.title, description=entry.description, sources=entry.draft.sources,
            fingerprint=digest(facts, *entry.draft.files, *_blobs(analysis, entry.draft.files)),
        )  # fmt: skip
        groups.setdefault(entry.group, []).append(page)
    importers: dict[str, list[str]] = {}
    for module in analysis.api:
        for target in sorted(module.imports):
            importers.setdefault(target, []).append(module.name)
    titles, shelves = short_titles(analysis.slugs), group_titles(analysis.slugs)
    for module in sorted(analysis.api, key=lambda m: shelves[m.name] != "API reference"):
        page = _module_page(analysis, module, importers, titles[module.name])
        groups.setdefault(shelves[module.name], []).append(page)
    project = groups.pop("Project", None)
    if project:
        groups["Project"] = project
    found = read_packaging(analysis)
    _relate_project(groups)
    return Plan(
        project_name=analysis.project_name,
        tagline=redact(found.summary),
        navigation=[PlanGroup(group=name, pages=pages) for name, pages in groups.items()],
    )


def write_page(analysis: Analysis, plan: Plan, slug: str) -> tuple[str, tuple[str, ...]]:
    """Write one page.

    Parameters
    ----------
    analysis : Analysis
        Of the checkout.
    plan : Plan
        As `plan` made it, perhaps settled.
    slug : str
        Which page.

    Returns
    -------
    markdown : str
        Its text.
    files : tuple of str
        Images that it shows.

    Raises
    ------
    KeyError
        No such page.
    """
    for module in analysis.api:
        if module.slug == slug:
            return redact(ModulePage(analysis, module).write()) + "\n", ()
    for entry in _project_entries(analysis):
        if entry.slug == slug:
            return redact(entry.draft.markdown).rstrip() + "\n", tuple(entry.draft.files)
    raise KeyError(slug)


def _blobs(analysis: Analysis, paths: list[str]) -> list[str]:
    return [analysis.checkout.files[p].blob for p in paths]


def _guides(analysis: Analysis) -> dict[str, str]:
    """Return the slugs of the Markdown documents of the docs folder."""
    found: dict[str, str] = {}
    for path in analysis.checkout.files:
        pure = PurePosixPath(path)
        if pure.parts[0].lower() in {"docs", "doc"} and pure.suffix.lower() in {".md", ".markdown"} and len(found) < _GUIDES:
            base = "guide-" + (re.sub(r"[^a-z0-9]+", "-", "/".join(pure.with_suffix("").parts[1:]).lower()).strip("-") or "page")
            slug = base[:80]
            number = 2
            while slug in found.values():
                slug, number = f"{base[:76]}-{number}", number + 1
            found[path] = slug
    return found


def _title(text: str, path: str) -> str:
    match = re.search(r"^#\s+(.+?)\s*#*\s*$", text, re.MULTILINE)
    plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)|\{#[^}]*\}", r"\1", match.group(1)) if match else ""
    return plain.strip() or PurePosixPath(path).stem.replace("_", " ").replace("-", " ").capitalize()


def _project_entries(analysis: Analysis) -> list[_Entry]:
    """Write every page that is not a module's; cheap, and the plan needs their texts for its fingerprints."""
    if analysis.drafts is not None:
        return [e for e in analysis.drafts if isinstance(e, _Entry)]
    packaging = read_packaging(analysis)
    guides = _guides(analysis)
    pages = dict(guides)
    readme, changes = top_file(analysis, "readme"), top_file(analysis, "changelog", "changes", "history", "news", "release_notes")
    pages.update({p: s for p, s in ((readme, "overview"), (changes, "changelog")) if p})
    entries = [_Entry("Getting started", "overview", "Overview", overview(analysis, packaging, pages), "What the project is.")]
    text = installation(analysis, packaging)
    rest: list[tuple[str, str, str, Draft | None, str]] = [
        (
            "Getting started",
            "installation",
            "Installation",
            Draft(text, sources=packaging.sources) if text else None,
            "How to install it.",
        ),
    ]
    for path, slug in guides.items():
        body, files = document(analysis, path, pages)
        if body:
            rest.append(("Guides", slug, _title(body, path), Draft(body, files, [path]), f"From {path}."))
    rest += [
        ("Reference", "command-line", "Command line", command_line(analysis, packaging), "Commands and their options."),
        ("Reference", "configuration", "Configuration", configuration(analysis), "Environment variables and settings."),
        ("Reference", "scripts", "Scripts and other languages", other_languages(analysis), "What is not Python."),
        ("Project", "architecture", "Architecture", architecture(analysis), "Which module imports which."),
        ("Project", "tests", "Tests and CI", testing(analysis, packaging), "How the project is tested."),
    ]
    if changes:
        body, files = document(analysis, changes, pages)
        heading = "" if re.search(r"^# ", body, re.MULTILINE) else "# Changelog\n\n"
        rest.append(
            ("Project", "changelog", "Changelog", Draft(heading + body, files, [changes]), "What changed, version by version.")
        )
    entries += [_Entry(g, s, t, d, about) for g, s, t, d, about in rest if d is not None]
    analysis.drafts = list(entries)
    return entries


def _module_page(analysis: Analysis, module: PyModule, importers: dict[str, list[str]], title: str) -> PlanPage:
    slugs = analysis.slugs
    package = module.name.rpartition(".")[0]
    siblings = [m.name for m in analysis.inside.get(package, [])]
    below = [m.name for m in analysis.inside.get(module.name, [])]
    near = [*below, *sorted(module.imports), *importers.get(module.name, []), package, *siblings]
    related = [slugs[n] for n in dict.fromkeys(near) if n in slugs and slugs[n] != module.slug][:5]
    about = summary(module.griffe.docstring) if module.griffe is not None else ""
    return PlanPage(
        slug=module.slug, title=title, description=redact(about), sources=_sources(analysis, module),
        fingerprint=_outside_facts(analysis, module), related=related,
    )  # fmt: skip


def _sources(analysis: Analysis, module: PyModule) -> list[str]:
    """Return the files that a page is written from: its own, and those of the private modules whose objects it shows."""
    others = {analysis.readable[item.module.path].path for _, item in analysis.adopted.get(module.name, [])}
    return [module.path, *sorted(others - {module.path})]


def _outside_facts(analysis: Analysis, module: PyModule) -> str:
    """Hash what a module's page says from other files: submodules, inherited names, what re-exports lead to."""
    facts = [m.name for m in analysis.inside.get(module.name, [])] if module.package else []
    for member in public_members(module.griffe) if module.griffe is not None else []:
        if isinstance(member, griffe.Alias):
            facts.append(f"{member.name}={member.target_path}")
        elif isinstance(member, griffe.Class):
            facts.append(f"{member.name}:{','.join(name for name, _ in analysis.inherited(member))}")
    for _, item in analysis.adopted.get(module.name, []):
        if isinstance(item, griffe.Class):
            facts += [name for name, _ in analysis.inherited(item)]
    return digest(*facts)


def _relate_project(groups: dict[str, list[PlanPage]]) -> None:
    """Relate the project's pages to each other: no module's edit changes that."""
    own = [p for name in ("Getting started", "Guides", "Reference", "Project") for p in groups.get(name, [])]
    for page in own:
        page.related = [p.slug for p in own if p is not page][:5]
