"""What packaging files say: names, requirements, commands, how to install."""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from docsfy_jupyter.providers.local.analysis import Analysis
from docsfy_jupyter.providers.local.docstrings import code, fence, table


@dataclass
class Packaging:
    """Facts of every packaging file of the top folder."""

    name: str = ""
    summary: str = ""
    python: str = ""
    licence: str = ""
    requires: list[str] = field(default_factory=list)
    extras: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    plugins: dict[str, dict[str, str]] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def read_packaging(analysis: Analysis) -> Packaging:
    """Read them; a malformed one is left out."""
    found = Packaging()
    readers = (
        ("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py), ("package.json", _package_json),
        ("Cargo.toml", _cargo), ("go.mod", _go), ("requirements.txt", _requirements), ("environment.yml", _environment),
        ("Dockerfile", _docker),
    )  # fmt: skip
    for name, reader in readers:
        text = analysis.checkout.text(name)
        if text is None:
            continue
        try:
            reader(found, text)
        except (ValueError, TypeError, AttributeError, KeyError, SyntaxError, configparser.Error, RecursionError):
            continue
        found.sources.append(name)
    return found


def installation(analysis: Analysis, found: Packaging) -> str | None:
    """Write the installation page; None where nothing says how."""
    if not found.sources:
        return None
    parts = ["# Installation"]
    python = {"pyproject.toml", "setup.py", "setup.cfg"} & set(found.sources)
    if python and found.name:
        parts.append("From a checkout of the repository:\n\n" + fence("python -m pip install .", "bash"))
        parts.append(
            f"The distribution is named {code(found.name)}." + (f" It needs Python {code(found.python)}." if found.python else "")
        )
    if found.requires:
        parts.append("## Requirements\n\n" + "\n".join(f"- {code(r)}" for r in found.requires))
    if found.extras:
        rows = [(code(k), ", ".join(map(code, v))) for k, v in sorted(found.extras.items())]
        parts.append("## Extras\n\n" + table(("Extra", "Adds"), rows))
        parts.append(fence(f'python -m pip install ".[{min(found.extras)}]"', "bash"))
    if found.groups:
        rows = [(code(k), ", ".join(map(code, v))) for k, v in sorted(found.groups.items())]
        parts.append("## Dependency groups\n\n" + table(("Group", "Holds"), rows))
    parts += found.other
    parts.append("Read from " + ", ".join(map(code, found.sources)) + ".")
    return "\n\n".join(parts)


def _strings(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _pyproject(found: Packaging, text: str) -> None:
    data = tomllib.loads(text)
    project = data.get("project", {})
    poetry = data.get("tool", {}).get("poetry", {})
    found.name = str(project.get("name") or poetry.get("name") or "")
    found.summary = str(project.get("description") or poetry.get("description") or "")
    found.python = str(project.get("requires-python") or poetry.get("dependencies", {}).get("python") or "")
    licence = project.get("license") or poetry.get("license") or ""
    found.licence = licence if isinstance(licence, str) else str(licence.get("text", ""))[:80].split("\n")[0]
    needs = poetry.get("dependencies", {})
    found.requires = _strings(project.get("dependencies")) or [
        f"{k} {v if isinstance(v, str) else v.get('version', '')}".strip() for k, v in needs.items() if k != "python"
    ]
    found.extras = {k: _strings(v) for k, v in project.get("optional-dependencies", {}).items()}
    found.groups = {k: _strings(v) for k, v in data.get("dependency-groups", {}).items()}
    for name, group in poetry.get("group", {}).items():
        found.groups[name] = list(group.get("dependencies", {}))
    commands = {**project.get("scripts", {}), **project.get("gui-scripts", {}), **poetry.get("scripts", {})}
    found.scripts = {
        k: v if isinstance(v, str) else str(v.get("reference") or v.get("callable") or "") for k, v in commands.items()
    }
    plugins = {**project.get("entry-points", {}), **poetry.get("plugins", {})}
    found.plugins = {group: {k: str(v) for k, v in entries.items()} for group, entries in plugins.items()}


def _setup_cfg(found: Packaging, text: str) -> None:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read_string(text)
    found.name = found.name or config.get("metadata", "name", fallback="")
    found.summary = found.summary or config.get("metadata", "description", fallback="")
    found.licence = found.licence or config.get("metadata", "license", fallback="")
    found.python = found.python or config.get("options", "python_requires", fallback="")
    found.requires = found.requires or config.get("options", "install_requires", fallback="").split("\n")
    found.requires = [r.strip() for r in found.requires if r.strip()]
    for line in config.get("options.entry_points", "console_scripts", fallback="").splitlines():
        name, _, target = line.partition("=")
        if target:
            found.scripts.setdefault(name.strip(), target.strip())


def _setup_py(found: Packaging, text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            for word in node.keywords:
                try:
                    value = ast.literal_eval(word.value)
                except ValueError:
                    continue
                if word.arg == "name":
                    found.name = found.name or str(value)
                elif word.arg == "python_requires":
                    found.python = found.python or str(value)
                elif word.arg == "install_requires":
                    found.requires = found.requires or _strings(value)
                elif word.arg == "entry_points" and isinstance(value, dict):
                    for line in _strings(value.get("console_scripts")):
                        name, _, target = line.partition("=")
                        found.scripts.setdefault(name.strip(), target.strip())


def _package_json(found: Packaging, text: str) -> None:
    data = json.loads(text)
    rows = [(code(k), code(str(v)), kind) for kind in ("dependencies", "devDependencies") for k, v in data.get(kind, {}).items()]
    parts = ["## JavaScript package", fence("npm install", "bash")]
    if data.get("scripts"):
        parts.append(table(("Script", "Runs"), [(code(f"npm run {k}"), code(str(v))) for k, v in data["scripts"].items()]))
    if rows:
        parts.append(table(("Package", "Version", "Kind"), rows))
    found.summary = found.summary or str(data.get("description") or "")
    binary = data.get("bin") or {}
    named = {str(data.get("name") or "").rpartition("/")[2]: binary} if isinstance(binary, str) else binary
    for name, target in named.items():
        found.scripts.setdefault(name, str(target))
    found.other.append("\n\n".join(parts))


def _cargo(found: Packaging, text: str) -> None:
    data = tomllib.loads(text)
    needs = "\n".join(f"- {code(k)}" for k in data.get("dependencies", {}))
    found.other.append("\n\n".join(p for p in ("## Rust crate", fence("cargo build --release", "bash"), needs) if p))


def _go(found: Packaging, text: str) -> None:
    module = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    if module:
        found.other.append(f"## Go module\n\nThe module is {code(module.group(1))}.\n\n" + fence("go build ./...", "bash"))


def _requirements(found: Packaging, text: str) -> None:
    lines = [x.split(" #")[0].strip() for x in text.splitlines() if re.match(r"\s*[A-Za-z0-9]", x)]
    parts = ["## requirements.txt", fence("python -m pip install -r requirements.txt", "bash")]
    found.other.append("\n\n".join([*parts, "\n".join(f"- {code(x)}" for x in lines if "://" not in x)]))


def _environment(found: Packaging, text: str) -> None:
    found.other.append("## Conda environment\n\n" + fence("conda env create -f environment.yml", "bash"))


def _docker(found: Packaging, text: str) -> None:
    bases = re.findall(r"^FROM\s+(?:--\S+\s+)*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    built = f" from {', '.join(map(code, dict.fromkeys(bases)))}" if bases else ""
    found.other.append(f"## Container image\n\nA {code('Dockerfile')} builds an image{built}.")
