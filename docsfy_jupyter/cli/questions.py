"""What is asked at a terminal before something is lost or paid, and what is said when the answer is not yes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from docsfy_jupyter import errors
from docsfy_jupyter.cli.output import plain


@contextmanager
def nothing_yet(nothing: str) -> Iterator[None]:
    """Let an interruption say that nothing has happened, ``Nothing was deleted``, for as long as that is true."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{nothing}.") from None


def agree(question: str, nothing: str) -> None:
    """Return once somebody has said yes.

    Parameters
    ----------
    question : str
        What is asked.
    nothing : str
        What is said otherwise, without its full stop: ``Nothing was deleted``.

    Raises
    ------
    BadRequest
        The answer was no, the input has ended, or nobody can be asked here.
    """
    if not sys.stdin.isatty():
        raise errors.BadRequest(f"{nothing}, since nobody can be asked here: {question} Pass --yes if so.")
    answer = ""
    try:
        print(plain(f"{question} [y/N] "), end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    finally:
        if not answer.endswith("\n"):  # Ctrl-C and Ctrl-D leave the cursor behind the question
            print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        raise errors.BadRequest(f"{nothing}.")
