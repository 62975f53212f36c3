"""``jupyter docsfy doctor``: checks what a set-up needs, and says what to do where something fails."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from docsfy_jupyter import __version__, errors
from docsfy_jupyter.cli.machine import (
    Finding,
    configuration,
    data_folder,
    data_folder_of,
    enabled_here,
    git,
    kernel_environment,
)
from docsfy_jupyter.cli.output import coloured, plain, print_json
from docsfy_jupyter.cli.session import open_client
from docsfy_jupyter.cli.wording import in_flags
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.client.discovery import is_loopback

_PACKAGES = ("jupyter-server", "duckdb", "httpx")
_COLOURS = {"ok": "ready", "warn": "aborted", "fail": "error"}


def doctor(options: argparse.Namespace) -> int:
    """Print what `examine` finds; 1 where something fails."""
    findings: list[Finding] = []
    for finding in examine(options):
        findings.append(finding)
        if not options.json:
            _show(finding)
    failed = any(finding.state == "fail" for finding in findings)
    if options.json:
        print_json({"ok": not failed, "findings": [vars(finding) for finding in findings]})
    return 1 if failed else 0


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Check this environment, this machine, and the server that commands would talk to.

    Parameters
    ----------
    options : argparse.Namespace
        The shared options: url, token, verify, data_dir.
    """
    yield _packages()
    yield enabled_here()
    yield configuration()
    yield kernel_environment()
    yield git()
    folder, there = data_folder_of(options.data_dir), True
    with ExitStack() as stack:
        try:
            client, private = stack.enter_context(open_client(options.url, options.token, options.data_dir, options.verify))
            told = yield from _server(client, private=private, data_dir=options.data_dir)
            folder, there = told or folder, private or is_loopback(client.url)
        except errors.DocsfyError as error:
            yield Finding("fail", "server", in_flags(error), "Follow that sentence, then run this again.")
    if there:  # looked at when a private server is gone again
        yield from data_folder(folder)
    else:
        yield Finding("ok", "data folder", f"{folder} on the machine of the server, which is not looked at from here")


def _packages() -> Finding:
    found = [f"Python {python_version()}", f"docsfy_jupyter {__version__}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return Finding("fail", "packages", f"{name} is missing", f"{sys.executable} -m pip install {name}")
    return Finding("ok", "packages", ", ".join(found))


def _server(client: DocsfyClient, *, private: bool, data_dir: str | None) -> Generator[Finding, None, Path | None]:
    """Check the server; return the data folder that it uses, None where it does not tell."""
    if private:  # with a data folder those that run were not asked, and one that works on it would have kept this one away
        what = f"works on {data_folder_of(data_dir)}" if data_dir else "with the extension runs"
        yield Finding("warn", "server", f"no Jupyter server {what}", "Nothing: commands start a private one.")
    else:
        yield Finding("ok", "server", f"{client.url} answers and has the extension")
    told = client.health()["data_dir"]
    yield Finding("ok", "database", "open")
    theirs = client.version()
    if theirs == __version__:
        yield Finding("ok", "versions", f"the server and this environment both have {__version__}")
    else:
        text = f"the server has {theirs}, this environment {__version__}"
        yield Finding("fail", "versions", text, "Install the same version in both, and restart Jupyter.")
    yield from _providers(client.models(refresh=True))
    return Path(told) if told else None


def _providers(models: dict[str, Any]) -> Iterator[Finding]:
    """Check the providers: one that is not there fails only where it is the default one."""
    paths: set[str] = set()
    for name, state in models["provider_status"].items():
        reason, _, path = str(state["reason"]).partition(errors.PATH_SEARCHED)
        paths |= {path} if path else set()
        if state["available"]:
            yield Finding("ok", f"provider {name}", f"can start with model {state['model']}")
        else:
            default = name == models["default_provider"]
            advice = "Set it up or choose another: --provider local needs nothing."
            asked = f"cannot start with model {state['model']}: " if state["model"] else ""
            yield Finding("fail" if default else "warn", f"provider {name}", f"{asked}{reason}", advice)
    for path in sorted(paths):  # once, though every program that is missing names it
        yield Finding("ok", "PATH of the server", path)


def _show(finding: Finding) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    wrap = textwrap.TextWrapper(width, subsequent_indent=" " * 5, break_on_hyphens=False, break_long_words=False)
    state = coloured(f"{finding.state:<4}", _COLOURS[finding.state], sys.stdout)
    # the state is as wide as its indent, and its colour has no width
    print(f"{state} {wrap.fill(' ' * 5 + plain(f'{finding.topic}: {finding.text}')).lstrip()}", flush=True)
    if finding.advice:
        wrap.initial_indent, wrap.subsequent_indent = " " * 5, " " * 7
        print(wrap.fill(plain(f"→ {finding.advice}")), flush=True)
