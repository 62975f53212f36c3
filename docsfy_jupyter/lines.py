"""The child's end of a worker: one JSON request a line on stdin, its answer with the same ``id`` on stdout."""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PEAK = 400 * 1024 * 1024  # bytes; a process never gives back what one huge request took


def answer_lines(answer: Callable[[dict[str, Any]], dict[str, Any]], *, pooled: bool = True) -> None:
    """Answer requests until stdin ends.

    Whatever `answer` raises ends the process, with its traceback on stderr: the server fails that request with it.

    Parameters
    ----------
    answer : callable
        Makes an answer of a request, both JSON-able.
    pooled : bool
        Whether requests have nothing to do with each other: after each one its garbage is collected, and where one has taken so
        much memory that a new process is better, its answer says that it was the ``last``. Otherwise the process keeps what it
        has made.
    """
    gc.disable()  # syntax trees and tokens hold no cycles; to look for some among all of them costs a tenth of the time
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        made = answer(request)
        last = pooled and _peak() > _PEAK
        sys.stdout.write(json.dumps({**made, "id": request.get("id"), **({"last": True} if last else {})}) + "\n")
        sys.stdout.flush()
        if last:
            return
        del request, made
        if pooled:
            gc.collect()  # between requests, when nobody waits


def _peak() -> int:
    """Return the most memory, in bytes, that this process has had; 0 where there is no ``/proc``.

    ``getrusage`` would not do: its figure outlives ``exec``, so that a large server's children begin with the server's.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return 0
    most = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(most[1]) * 1024 if most else 0
