"""Clones over ssh, where the administrator allows it: git's own ssh client, in the form of a program that stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from servers import commit

from docsfy_jupyter.errors import SourceFailed, SourceRefused
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.sources.checkout import changed_files, checkout
from docsfy_jupyter.sources.remote import default_branch
from docsfy_jupyter.sources.rules import Source, SourcePolicy, parse_source

POLICY = SourcePolicy(allowed_schemes=("https", "ssh"), allow_private_hosts=True)
FAKE_SSH = """#!{python}
import os, sys
if "-G" in sys.argv:  # git asks what kind of ssh this is
    sys.exit(0)
options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
host, command = [argument for argument in sys.argv[1:] if not argument.startswith("-")][-2:]
with open({log!r}, "a") as log:
    print(host, command.split()[0], *options, "SSH_AUTH_SOCK" in os.environ, file=log)
if host.endswith("locked.example"):
    sys.exit("git@locked.example: Permission denied (publickey).")
os.execvp("sh", ["sh", "-c", command])
"""


@pytest.fixture
def ssh_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for ssh: runs on this machine what git wants to have run on the other; returns what it was asked."""
    log, program = tmp_path / "ssh.log", tmp_path / "fake-ssh"
    program.write_text(FAKE_SSH.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    return log


def ignore(*_: object, **__: object) -> None:
    """Log nothing."""


def source_of(url: str, policy: SourcePolicy = POLICY) -> Source:
    return parse_source(repo_url=url, repo_path=None, policy=policy)


@pytest.mark.parametrize("form", ["git@git.example:{}", "ssh://git@git.example{}"])
async def test_an_ssh_address_is_cloned_and_compared_with_the_users_own_agent(
    form: str, ssh_log: Path, demo_repo: Path, processes: Processes, tmp_path: Path
) -> None:
    old = commit(demo_repo, {"a.txt": "1"})
    new = commit(demo_repo, {"a.txt": "2"})
    source = source_of(form.format(demo_repo))
    assert source.name == "demo"
    assert await default_branch(source, POLICY, processes) == "main"
    clone = await checkout(source, "main", tmp_path / "c", POLICY, processes, ignore)
    assert clone.commit == new
    assert await changed_files(clone, source, old, POLICY, processes) in ({"a.txt"}, None)  # a host may refuse old commits
    asked = ssh_log.read_text().splitlines()
    assert len(asked) >= 3
    for line in asked:
        assert line.startswith("git@git.example git-upload-pack ")
        assert "-oBatchMode=yes" in line
        assert line.endswith(" True")


@pytest.mark.case("G01")
async def test_a_refused_key_says_what_to_do_and_asks_nobody(ssh_log: Path, processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"authentication required: .*ssh agent.*Permission denied"):
        await checkout(source_of("git@locked.example:o/r.git"), "main", tmp_path / "c", POLICY, processes, ignore)
    assert "-oBatchMode=yes" in ssh_log.read_text()


def test_ssh_is_refused_unless_the_trait_allows_it(ssh_log: Path) -> None:
    for url in ("git@git.example:o/r.git", "ssh://git@git.example/o/r.git"):
        with pytest.raises(SourceRefused, match="allowed_url_schemes"):
            source_of(url, SourcePolicy())
    assert not ssh_log.exists()
