"""One documentation set in several variants, made once, for the tests that walk the REST contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from servers import Server, commit, git, make_demo_repo

MODEL = "pages=2"


def path_of(*parts: str) -> str:
    """Return the path of a project or variant, each part encoded."""
    return "api/projects/" + "/".join(quote(part, safe="") for part in parts)


@dataclass
class Walk:
    """A server with variants of ``walk``: main, the branch ``feature/x``, the tag ``v1``; and of ``twins`` without main."""

    server: Server
    repo: Path

    def get(self, path: str, **options: Any) -> httpx.Response:
        found: httpx.Response = self.server.call("GET", path, **options)
        return found

    def post(self, path: str, **options: Any) -> httpx.Response:
        found: httpx.Response = self.server.call("POST", path, **options)
        return found

    def generate(self, **body: Any) -> httpx.Response:
        return self.post("api/generate", json={"repo_path": str(self.repo), "provider": "fake", "model": MODEL, **body})

    def fill(self) -> None:
        """Make the variants."""
        made = [("walk", "main"), ("walk", "feature/x"), ("walk", "v1"), ("twins", "feature/x"), ("twins", "v1")]
        for name, branch in made:
            answer = self.generate(name=name, branch=branch)
            assert answer.status_code == 202, answer.text
        for name, branch in made:
            assert self.server.ended(path_of(name, branch, "fake", MODEL))["status"] == "ready"


def make_walk(server: Server, folder: Path) -> Walk:
    """Make the repository and its ready variants."""
    repo = make_demo_repo(folder)
    git(repo, "tag", "v1")
    git(repo, "checkout", "-q", "-b", "feature/x")
    commit(repo, {"README.md": "# Demo of a feature\n"})
    git(repo, "checkout", "-q", "main")
    found = Walk(server, repo)
    found.fill()
    return found
