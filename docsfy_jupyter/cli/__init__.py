"""``jupyter docsfy``: the same verbs as the client, for a terminal."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docsfy_jupyter import __version__, errors
from docsfy_jupyter.cli.doctor import examine
from docsfy_jupyter.cli.output import Watcher, check_output, unpack_site
from docsfy_jupyter.cli.session import open_client
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.models import Variant, iso, utc_now
from docsfy_jupyter.progress import text_line

_BAD_INPUT = (errors.BadRequest, errors.NotFound, errors.Conflict)
_NO_SERVER = (
    errors.ServerNotFound,
    errors.ServerUnreachable,
    errors.ExtensionNotEnabled,
    errors.TokenNotAccepted,
    errors.StoreUnavailable,
)

Command = Callable[[DocsfyClient, argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 done (for ``generate``: ready), 1 the run failed or was aborted, 2 bad input, 3 no server.
    """
    options = _parser().parse_args(argv)
    command: Command = options.command
    try:
        if getattr(options, "output", None):
            check_output(Path(options.output), overwrite=options.force_output)
        with open_client(options.url, options.token, options.data_dir) as client:
            return command(client, options)
    except errors.DocsfyError as error:
        _say_error(error, as_json=options.json)
        return 2 if isinstance(error, _BAD_INPUT) else 3 if isinstance(error, _NO_SERVER) else 1
    except KeyboardInterrupt:
        return 130


def _say_error(error: errors.DocsfyError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.message, "code": error.code}))
    else:
        print(f"Error: {error.message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter docsfy", description="Documentation sites for repositories, from a terminal.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    shared.add_argument("--url", help="base URL of a running Jupyter server; otherwise it is found, or a private one is started")
    shared.add_argument("--token", help="its token")
    shared.add_argument("--data-dir", help="data folder of a private server (default: the one of your Jupyter)")

    generate = commands.add_parser("generate", parents=[shared], help="generate documentation and wait for its end")
    generate.add_argument("repo", metavar="REPO", help="URL, or path of a local repository")
    for name in ("provider", "model", "branch", "name"):
        generate.add_argument(f"--{name}")
    generate.add_argument("--force", action="store_true", help="forget the cached pages first")
    generate.add_argument("--watch", action=argparse.BooleanOptionalAction, default=True, help="wait for the end (default)")
    generate.add_argument("--output", metavar="DIR", help="copy the site there")
    generate.add_argument("--force-output", action="store_true", help="replace DIR whatever it holds")
    generate.set_defaults(command=_generate)

    listing = commands.add_parser("list", parents=[shared], help="list all variants")
    listing.set_defaults(command=_list)
    runs = commands.add_parser("runs", parents=[shared], help="list the latest runs")
    runs.set_defaults(command=_runs)
    doctor = commands.add_parser("doctor", parents=[shared], help="check what a set-up needs")
    doctor.set_defaults(command=_doctor)
    verbs: dict[str, tuple[str, Command]] = {
        "status": ("show one variant", _status),
        "abort": ("abort its run", _abort),
        "delete": ("delete a variant with its site", _delete),
        "download": ("save its site as .tar.gz", _download),
        "render": ("render it again from the page cache", _render),
    }
    for name, (text, command) in verbs.items():
        verb = commands.add_parser(name, parents=[shared], help=text)
        verb.add_argument("name", metavar="NAME")
        verb.add_argument("provider", metavar="PROVIDER", nargs="?", default="local")
        verb.add_argument("model", metavar="MODEL", nargs="?", default="static")
        verb.add_argument("--branch")
        if name == "delete":
            verb.add_argument("--yes", action="store_true", help="do not ask")
        if name == "download":
            verb.add_argument("--target", metavar="FILE", help="default: NAME.tar.gz")
        verb.set_defaults(command=command)
    return parser


def _generate(client: DocsfyClient, options: argparse.Namespace) -> int:
    fields = ("provider", "model", "branch", "name", "force")
    variant: Variant = client.generate(options.repo, **{name: getattr(options, name) for name in fields})
    if not options.watch and not options.output:
        return _print_row(variant, options)
    watcher = Watcher(quiet=options.json)
    try:
        variant = client.wait(variant, on_change=watcher.show)
    except KeyboardInterrupt:
        print("Aborting… (waiting until every process of the run is gone)", file=sys.stderr)
        variant = client.abort(variant)
    except (errors.GenerationFailed, errors.GenerationAborted) as error:
        variant = error.details["variant"]
        print(f"Error: {error.message}", file=sys.stderr)
    finally:
        watcher.close()
    _print_row(variant, options)
    if variant.status.value != "ready":
        return 1
    if options.output:
        _save_site(client, variant, Path(options.output), quiet=options.json)
    return 0


def _save_site(client: DocsfyClient, variant: Variant, target: Path, *, quiet: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="docsfy-site-") as folder:
        archive = client.download(variant, target=Path(folder) / "site.tar.gz")
        unpack_site(archive, target)
    if not quiet:
        print(f"The site is in {target}/ ; open {target / 'index.html'}")


def _print_row(variant: Variant, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(variant.to_json()))
    else:
        print(text_line(variant, iso(utc_now()) or ""))
        if variant.error_message:
            print(variant.error_message)
    return 0


def _found(client: DocsfyClient, options: argparse.Namespace) -> Variant:
    return client.get(options.name, options.provider, options.model, branch=options.branch)


def _status(client: DocsfyClient, options: argparse.Namespace) -> int:
    return _print_row(_found(client, options), options)


def _list(client: DocsfyClient, options: argparse.Namespace) -> int:
    rows = client.list(full=True)
    if options.json:
        print(json.dumps({"projects": [row.to_json() for row in rows]}))
    for row in [] if options.json else rows:
        print(text_line(row, iso(utc_now()) or ""))
    if not rows and not options.json:
        print("Nothing generated yet.")
    return 0


def _runs(client: DocsfyClient, options: argparse.Namespace) -> int:
    answer: dict[str, Any] = client.runs()
    if options.json:
        print(json.dumps(answer))
        return 0
    for run in answer["runs"]:
        address = f"{run['name']}/{run['branch']}/{run['ai_provider']}/{run['ai_model']}"
        print(f"{run['started_at']}  {run['outcome'] or 'in progress':<9}  {address}  by {run['started_by']}")
    return 0


def _abort(client: DocsfyClient, options: argparse.Namespace) -> int:
    return _print_row(client.abort(_found(client, options)), options)


def _delete(client: DocsfyClient, options: argparse.Namespace) -> int:
    variant = _found(client, options)
    if not options.yes and sys.stdin.isatty() and input(f"Delete {variant.address} with its site? [y/N] ").lower() != "y":
        raise errors.BadRequest("Nothing was deleted.")
    client.delete(variant)
    print(json.dumps({"deleted": variant.address}) if options.json else f"Deleted {variant.address}")
    return 0


def _download(client: DocsfyClient, options: argparse.Namespace) -> int:
    path = client.download(_found(client, options), target=options.target or f"{options.name}.tar.gz")
    print(json.dumps({"path": str(path)}) if options.json else f"Saved {path}")
    return 0


def _doctor(client: DocsfyClient, options: argparse.Namespace) -> int:
    findings = list(examine(client))
    if options.json:
        print(json.dumps({"findings": [vars(finding) for finding in findings]}))
    for finding in [] if options.json else findings:
        print(f"{finding.state:<5} {finding.topic}: {finding.text}")
    return 1 if any(finding.state == "fail" for finding in findings) else 0


def _render(client: DocsfyClient, options: argparse.Namespace) -> int:
    return _print_row(client.render(_found(client, options)), options)


if __name__ == "__main__":
    sys.exit(main())
