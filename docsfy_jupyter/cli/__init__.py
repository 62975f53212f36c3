"""``jupyter docsfy``: the same verbs as the client, for a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib import import_module

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 done (for ``generate``: ready), 1 the run failed or was aborted, or ``doctor`` found something, 2 bad input,
        3 no server, 130 interrupted.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a title in a language that the terminal cannot show ends no command
        # loaded here, since that takes the longest part of a second in which Ctrl-C is pressed too
        code: int = import_module("docsfy_jupyter.cli.program").run(argv)
    except KeyboardInterrupt as interrupt:
        print(f"Interrupted. {str(interrupt) or 'Nothing was started or changed.'}", file=sys.stderr)
        return INTERRUPTED
    return code
