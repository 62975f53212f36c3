"""The subcommands and their options."""

from __future__ import annotations

import argparse
from typing import NoReturn, TypeAlias

from docsfy_jupyter import __version__, errors
from docsfy_jupyter.cli import commands
from docsfy_jupyter.cli.batch import batch
from docsfy_jupyter.cli.doctor import doctor
from docsfy_jupyter.cli.money import estimate


class Misused(errors.BadRequest):
    """The arguments are none of this command line's; ``details['usage']`` are the lines that show how it is used."""

    code = "usage"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misused(f"{self.prog}: {message}", usage=self.format_usage())


def parser() -> argparse.ArgumentParser:
    """Return the parser, which raises `Misused`; ``options.command`` is what a subcommand runs."""
    text = "Documentation sites for repositories, from a terminal."
    found = _Parser(prog="jupyter docsfy", description=text, epilog=_EXIT_CODES, parents=[_shared()])
    found.set_defaults(json=False, url=None, token=None, verify=True, data_dir=None)
    found.set_defaults(output=None, watch=True, alone=False, private=None)
    found.add_argument("--version", action="version", version=__version__)
    verbs = found.add_subparsers(required=True, metavar="COMMAND")
    shared = _shared()
    _add_generate(verbs, shared)
    text = "say what a run would take: pages, calls, tokens, cost, time; start nothing"
    _add_request(verbs, shared, "estimate", text).set_defaults(command=estimate)
    _add_batch(verbs, shared)
    for name, text, command in (
        ("list", "list all variants", commands.list_all),
        ("runs", "list the latest runs", commands.runs),
        ("freshness", "list which variants their branches have left behind", commands.freshness),
    ):
        _verb(verbs, shared, name, text).set_defaults(command=command)
    _verb(verbs, shared, "doctor", "check what a set-up needs").set_defaults(command=doctor, alone=True)
    _add_variant(verbs, shared, "status", "show one variant", commands.status)
    _add_variant(verbs, shared, "abort", "abort the run of a variant", commands.abort)
    delete = _add_variant(verbs, shared, "delete", "delete a variant with its pages and site", commands.delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    download = _add_variant(verbs, shared, "download", "save the site of a variant as .tar.gz", commands.download)
    download.add_argument("--target", metavar="FILE", default=".", help="file or folder (default: here)")
    download.add_argument("--force-output", action="store_true", help="replace FILE where it is there already")
    text = "render again from the page cache, paying for nothing twice; without NAME: all"
    _add_variant(verbs, shared, "render", text, commands.render, optional=True)
    return found


def _shared() -> _Parser:
    # of the whole command line and of each subcommand: where one is not given, none of the two overwrites the other
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    shared.add_argument("--url", help="base URL of a running Jupyter server; otherwise it is found, or a private one is started")
    shared.add_argument("--token", help="its token (default: the one that a server of yours tells, or the one of this kernel)")
    shared.add_argument("--verify", metavar="FILE", help="certificates to trust (default: those of this system)")
    text = "start a private server on this data folder (default: the one of your Jupyter; not with --url)"
    shared.add_argument("--data-dir", metavar="DIR", help=text)
    return shared


_EXIT_CODES = (
    "Exit codes: 0 done (generate: the documentation is ready), 1 the run failed or was aborted or doctor found something, "
    "2 bad input, 3 no server, 130 interrupted."
)
_CODES = "Exit codes: 0 all ready, 1 some failed or it could not begin, 2 the file is wrong, 3 no server, 130 ended by a signal."
_Verbs: TypeAlias = "argparse._SubParsersAction[_Parser]"


def _verb(verbs: _Verbs, shared: _Parser, name: str, text: str) -> argparse.ArgumentParser:
    sentence = f"{text[0].upper()}{text[1:]}."
    return verbs.add_parser(name, parents=[shared], help=text, description=sentence, epilog=_EXIT_CODES)


def _add_request(verbs: _Verbs, shared: _Parser, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that names what a run would be of."""
    verb = _verb(verbs, shared, name, text)
    verb.add_argument("repo", metavar="REPO", help="URL, or path of a local repository")
    verb.add_argument("--provider", help="who writes the pages (default: the server's, `local` unless it is configured)")
    verb.add_argument("--model", help="the provider's model (default: the provider's own; `static` for local)")
    verb.add_argument("--branch", help="branch or tag (default: the repository's default branch)")
    verb.add_argument("--name", help="name of the project (default: the last part of REPO, without .git)")
    verb.add_argument("--force", action="store_true", help="forget the cached pages first")
    return verb


def _add_generate(verbs: _Verbs, shared: _Parser) -> None:
    generate = _add_request(verbs, shared, "generate", "generate documentation and wait for its end")
    generate.add_argument("--yes", action="store_true", help="do not ask whether to pay again for the pages that --force forgets")
    generate.add_argument("--watch", action=argparse.BooleanOptionalAction, default=True, help="wait for the end (default: yes)")
    generate.add_argument("--output", metavar="DIR", help="copy the site there; others' files in DIR stay")
    generate.add_argument("--max-cost-usd", type=float, metavar="USD", help="begin no new page once the run has cost so much")
    text = "use DIR though it holds other files; those of the same name are replaced, others stay"
    generate.add_argument("--force-output", action="store_true", help=text)
    generate.set_defaults(command=commands.generate)


def _add_batch(verbs: _Verbs, shared: _Parser) -> None:
    text = "bring many variants up to date, with a notebook as the receipt"
    found = verbs.add_parser("batch", parents=[shared], help=text, description=f"{text.capitalize()}.", epilog=_CODES)
    found.add_argument("file", metavar="FILE", help="YAML: variants: [{repo: URL or path, provider: …, model: …}, …]")
    found.add_argument("--output", dest="runs", metavar="DIR", default="runs", help="folder of the receipts (default: runs)")
    found.add_argument("--retry-failed", action="store_true", help="leave out what is ready")
    found.add_argument("--stale-only", action="store_true", help="leave out what documents its branch's present commit")
    found.add_argument("--dry-run", action="store_true", help="say what would run, how long and at what cost; start nothing")
    found.add_argument("--summary", metavar="FILE", help="write the summary there: JSON where it ends in .json, else Markdown")
    found.add_argument("--abort-on-exit", action="store_true", help="when this command is killed, abort its runs on the server")
    found.set_defaults(command=batch, alone=True)


def _add_variant(
    verbs: _Verbs,
    shared: _Parser,
    name: str,
    text: str,
    command: commands.Command,
    *,
    optional: bool = False,
) -> argparse.ArgumentParser:
    verb = _verb(verbs, shared, name, text)
    names = "a project, NAME/PROVIDER/MODEL or NAME/BRANCH/PROVIDER/MODEL"
    verb.add_argument("name", metavar="NAME", nargs="?" if optional else None, help=names)
    verb.add_argument("provider", metavar="PROVIDER", nargs="?", help="only this provider's (default: any)")
    verb.add_argument("model", metavar="MODEL", nargs="?", help="only this model's (default: any)")
    verb.add_argument("--branch", help="only this branch's (default: the default branch's, or the only one)")
    verb.set_defaults(command=command)
    return verb
