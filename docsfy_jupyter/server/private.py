"""A private, headless server for one command: dies with the process that holds its standard input."""

from __future__ import annotations

import os
import signal
import sys
import threading

from jupyter_server.serverapp import ServerApp


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the server; arguments are Jupyter's own."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ServerApp.launch_instance()


if __name__ == "__main__":
    main()
