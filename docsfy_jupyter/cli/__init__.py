"""``jupyter docsfy``: the same verbs as the client, for a terminal."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from docsfy_jupyter import errors
from docsfy_jupyter.cli.arguments import parser
from docsfy_jupyter.cli.output import say_error
from docsfy_jupyter.cli.session import open_client
from docsfy_jupyter.cli.sites import check_output

_BAD_INPUT = (errors.BadRequest, errors.NotFound, errors.Conflict)
_NO_SERVER = (
    errors.ServerNotFound,
    errors.ServerUnreachable,
    errors.ExtensionNotEnabled,
    errors.TokenNotAccepted,
    errors.StoreUnavailable,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 done (for ``generate``: ready), 1 the run failed or was aborted, or ``doctor`` found something, 2 bad input,
        3 no server, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title in a language that the terminal cannot show ends no command
    options = parser().parse_args(argv)
    try:
        code = _run(options)
        sys.stdout.flush()
    except errors.DocsfyError as error:
        say_error(error, as_json=options.json)
        return 2 if isinstance(error, _BAD_INPUT) else 3 if isinstance(error, _NO_SERVER) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough: ``jupyter docsfy list | head -1``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder without permission
        say_error(errors.ClientError(f"{error.filename or 'The disk'}: {error.strerror or error}"), as_json=options.json)
        return 1
    return code


def _run(options: argparse.Namespace) -> int:
    command: Callable[..., int] = options.command
    if options.alone:
        return command(options)
    if options.output:
        check_output(Path(options.output), overwrite=options.force_output)
    with open_client(options.url, options.token, options.data_dir, options.verify) as (client, private):
        options.private = private
        return command(client, options)


if __name__ == "__main__":
    sys.exit(main())
