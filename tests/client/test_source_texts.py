"""What is a URL and what a path: one rule for the client, the command line, panels and the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from panel_states import variant

from docsfy_jupyter.addresses import is_url
from docsfy_jupyter.client import asking
from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.screen import source

TEXTS = {
    "https://github.com/a/b": True,
    "ssh://git@host/a/b": True,
    "git@host:a/b.git": True,
    "host.example:a/b": True,
    "[::1]:a/b": True,
    "a@b/c:d": False,
    "./git@host:a": False,
    "/srv/git@host:a/b": False,
    "C:\\projects\\x": False,
    "C:/projects/x": False,
    "d:x": False,
    "repo": False,
    "..": False,
}


@pytest.mark.parametrize(("text", "url"), TEXTS.items())
def test_a_url_is_told_from_a_path_in_one_way(text: str, url: bool) -> None:
    field = "repo_url" if url else "repo_path"
    assert is_url(text) is url
    assert list(asking._source(text)) == [field]
    row = variant(repo_url=text)
    assert source(row) == {field: text}


def test_a_folder_that_is_here_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "git@host:demo").mkdir()
    (tmp_path / "example.org/a/b").mkdir(parents=True)
    assert asking._source("git@host:demo") == {"repo_path": "git@host:demo"}
    assert asking._source("example.org/a/b") == {"repo_path": "example.org/a/b"}
    assert asking._source(Path("host:b")) == {"repo_path": "host:b"}


def test_an_address_without_its_scheme_is_answered_with_the_whole_one() -> None:
    with pytest.raises(BadRequest) as refused:
        asking._source("github.com/a/b")
    assert refused.value.message == ("There is no folder github.com/a/b. For the repository on that host name it whole: https://github.com/a/b")


@pytest.mark.parametrize("text", ["", "  "])
def test_no_repository_is_said_so(text: str) -> None:
    with pytest.raises(BadRequest, match=r"^No repository was named: give a URL"):
        asking._source(text)
