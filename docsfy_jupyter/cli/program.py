"""One command from its arguments to its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from docsfy_jupyter import errors
from docsfy_jupyter.cli import commands
from docsfy_jupyter.cli.arguments import Misused, parser
from docsfy_jupyter.cli.doctor import doctor
from docsfy_jupyter.cli.money import estimate
from docsfy_jupyter.cli.output import say_error
from docsfy_jupyter.cli.session import open_client
from docsfy_jupyter.client.folders import check_folder

_BAD_INPUT = (errors.BadRequest, errors.NotFound, errors.Conflict)
_READING = (commands.list_all, commands.runs, commands.freshness, commands.status, commands.download, estimate, doctor)
_FORCE_OUTPUT = (
    "choose another folder, or pass --force-output to put the site between the files that are there (those of the same name are "
    "replaced)"
)
_GOES_ON = "What a running server has begun goes on there; `jupyter docsfy list` shows what became of it."
_NO_SERVER = (
    errors.ServerNotFound,
    errors.ServerUnreachable,
    errors.ExtensionNotEnabled,
    errors.TokenNotAccepted,
    errors.NotPermitted,
    errors.StoreUnavailable,
)


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command and turn what goes wrong into a sentence and an exit code; they are those of `docsfy_jupyter.cli.main`."""
    given = sys.argv[1:] if argv is None else argv
    try:
        options = parser().parse_args(given)
    except Misused as error:
        if "--json" not in given:
            print(error.details["usage"], end="", file=sys.stderr)
        say_error(error, as_json="--json" in given)
        return 2
    try:
        code = _run(options)
        sys.stdout.flush()
    except errors.DocsfyError as error:
        say_error(error, as_json=options.json)
        return 2 if isinstance(error, _BAD_INPUT) else 3 if isinstance(error, _NO_SERVER) else 1
    except KeyboardInterrupt as interrupt:
        begun = options.private is not None and options.command not in _READING
        raise KeyboardInterrupt(str(interrupt) or (_GOES_ON if begun else "")) from None
    except BrokenPipeError:  # the reader has seen enough: ``jupyter docsfy list | head -1``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder without permission
        say_error(errors.ClientError(f"{error.filename or 'The disk'}: {error.strerror or error}"), as_json=options.json)
        return 1
    return code


def _run(options: argparse.Namespace) -> int:
    command: Callable[..., int] = options.command
    _check(options)
    if options.alone:
        return command(options)
    with open_client(options.url, options.token, options.data_dir, options.verify) as (client, private):
        options.private = private
        return command(client, options)


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be done before anything is started.

    Raises
    ------
    BadRequest
    """
    if options.data_dir and (options.url or options.token) and options.command is not doctor:
        given = "--url" if options.url else "--token"
        raise errors.BadRequest(f"--data-dir is for a private server and {given} for one that runs; pass one of the two.")
    if options.output and not options.watch:
        raise errors.BadRequest("--output needs the end of the run, which --no-watch does not wait for; leave one of them out.")
    if options.output:
        check_folder(Path(options.output), overwrite=options.force_output, advice=_FORCE_OUTPUT)
