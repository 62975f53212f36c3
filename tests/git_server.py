"""A git server over HTTP, as a test needs it: good, with a login, or moved."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOGIN = "Basic " + base64.b64encode(b"u1:s3cr3t").decode()


class GitHandler(BaseHTTPRequestHandler):
    """git http-backend; below /private/ it wants a login, below /moved/ it redirects, below /away/ to another host."""

    root: Path

    def do_GET(self) -> None:
        if self.path.startswith("/private/") and self.headers.get("Authorization") != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith(("/moved/", "/away/")):
            self.send_response(301)
            _, first, rest = self.path.split("/", 2)
            host = f"http://localhost:{self.server.server_address[1]}" if first == "away" else ""
            self.send_header("Location", f"{host}/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.removeprefix("/private").partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def git_server(root: Path) -> Iterator[str]:
    """Serve the bare repositories of a folder; yields ``host:port``."""
    handler = type("Handler", (GitHandler,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
