"""A private, headless server for one command: dies with the process that holds its standard input."""

from __future__ import annotations

import os
import signal
import sys
import threading

# Jupyter's event schemas load a grammar of internationalised addresses that takes seconds to build (3 s, rfc3987_syntax
# 1.1); no event of a private server has such an address, and without the module the schema library leaves that check out.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

from jupyter_server.serverapp import ServerApp  # noqa: E402


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


class _PrivateServer(ServerApp):
    """A server with our extension and no other: a command waits for it to start."""

    def find_server_extensions(self) -> None:
        """Leave out what else is installed."""
        self.jpserver_extensions = {"docsfy_jupyter": True}


def main() -> None:
    """Run the server; arguments are Jupyter's own."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _PrivateServer.launch_instance()


if __name__ == "__main__":
    main()
