"""Clones over HTTP from real servers: good ones, ones that want a login, and ones that never send anything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from git_server import git_server
from recording import finished, running

from docsfy_jupyter.errors import BadRequest, DocsfyError, SourceFailed
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.sources.checkout import changed_files, checkout
from docsfy_jupyter.sources.remote import default_branch
from docsfy_jupyter.sources.rules import Source, SourcePolicy, parse_source

POLICY = SourcePolicy(allowed_schemes=("http", "https"), allow_private_hosts=True)


def run_git(folder: Path, *args: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a git server with one repository, r.git, on branch trunk with two commits."""
    work, root = tmp_path / "work", tmp_path / "served"
    work.mkdir()
    run_git(work, "init", "-q", "-b", "trunk")
    for text in ("one", "two"):
        (work / f"{text}.md").write_text(text)
        run_git(work, "add", "-A")
        run_git(work, "commit", "-q", "-m", text)
    run_git(tmp_path, "clone", "-q", "--bare", str(work), str(root / "r.git"))
    with git_server(root) as address:
        yield address


@pytest.fixture
async def stuck() -> AsyncIterator[str]:
    """The address of a server that accepts, promises much, and sends a byte per second."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n")
            while True:
                writer.write(b"0")
                await writer.drain()
                await asyncio.sleep(1)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(answer(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def source_of(url: str, policy: SourcePolicy = POLICY, credential_env: str | None = None) -> Source:
    return parse_source(repo_url=url, repo_path=None, policy=policy, credential_env=credential_env)


def ignore(_kind: str, _text: str) -> None:
    pass


def git_processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "git" in child.name()]


async def test_a_shallow_clone_over_http_and_its_difference(served: str, processes: Processes, tmp_path: Path) -> None:
    source = source_of(f"http://{served}/r.git")
    assert await default_branch(source, POLICY, processes) == "trunk"
    made = await checkout(source, "trunk", tmp_path / "c", POLICY, processes, ignore)
    assert [file.path for file in made.files] == ["one.md", "two.md"]
    old = run_git(tmp_path / "work", "rev-parse", "HEAD~1")
    assert await changed_files(made, source, old, POLICY, processes) == {"two.md"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="where there is /proc")
async def test_a_clone_whose_middle_process_is_killed_ends_soon_and_says_so(stuck: str, processes: Processes, tmp_path: Path) -> None:
    source = source_of(f"http://{stuck}/o/r.git")
    task = asyncio.create_task(checkout(source, "trunk", tmp_path / "c", POLICY, processes, ignore))
    middle: list[psutil.Process] = []
    async with asyncio.timeout(30):
        while not middle or not middle[0].children():  # git, which waits for git, which waits for git-remote-http
            middle = [process for process in git_processes() if process.name() == "git" and "remote-http" in process.cmdline()]
            await asyncio.sleep(0.02)
    middle[0].kill()
    async with asyncio.timeout(30):  # ten minutes are the limit of a clone
        with pytest.raises(SourceFailed, match="the process between git and git-remote-http was killed"):
            await task
    assert git_processes() == []


@pytest.mark.case("G01")
async def test_a_login_that_is_not_there_is_asked_for_at_once(served: str, processes: Processes, tmp_path: Path) -> None:
    source = source_of(f"http://{served}/private/r.git")
    began = time.monotonic()
    with pytest.raises(SourceFailed, match="authentication required"):
        await checkout(source, "trunk", tmp_path / "c", POLICY, processes, ignore)
    with pytest.raises(BadRequest, match="authentication required"):
        await default_branch(source, POLICY, processes)
    assert time.monotonic() - began < 20


@pytest.mark.case("G11")
@pytest.mark.parametrize("way", ["in the address", "in a variable"])
async def test_credentials_log_in_and_show_up_nowhere(
    way: str, served: str, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    spawn = asyncio.create_subprocess_exec

    async def spy(*argv: str, **options: object) -> object:
        seen.extend(argv)
        return await spawn(*argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spy)
    monkeypatch.setenv("MY_LOGIN", "u1:s3cr3t")
    if way == "in a variable":
        source = source_of(f"http://{served}/private/r.git", credential_env="MY_LOGIN")
    else:
        source = source_of(f"http://u1:s3cr3t@{served}/private/r.git")
    made = await checkout(source, "trunk", tmp_path / "c", POLICY, processes, ignore)
    assert len(made.files) == 2
    assert "s3cr3t" not in repr((seen, made, source))
    assert "s3cr3t" not in (made.path / ".git" / "config").read_text()


async def test_a_private_repository_is_generated_again_without_naming_its_variable(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_LOGIN", "u1:s3cr3t")
    body = {"repo_url": f"http://{served}/private/r.git", "branch": "trunk", "ai_provider": "fake", "ai_model": "pages=1"}
    async with running(tmp_path) as manager:
        for more in ({"credential_env": "MY_LOGIN"}, {}):
            row = await manager.generate(GenerateRequest.model_validate({**body, **more}), "me")
            done = await finished(manager, row.key)
            assert (done.status, done.credential_env) == ("ready", "MY_LOGIN")
        stranger = await manager.generate(GenerateRequest.model_validate(body), "somebody else")
        assert "authentication required" in str((await finished(manager, stranger.key)).error_message)


@pytest.mark.case("G11")
@pytest.mark.parametrize("userinfo", ["u1:s3cr3t", "s3cr3t", "x:s3cr3t%21"])
async def test_no_message_of_a_failure_holds_the_secret(userinfo: str, served: str, processes: Processes, tmp_path: Path) -> None:
    for address in ("127.0.0.1:1/o/r.git", f"{served}/nope.git", f"{served}/private/r.git"):
        source = source_of(f"http://{userinfo}@{address}")
        with pytest.raises(DocsfyError) as caught:
            await checkout(source, "nope", tmp_path / "c", POLICY, processes, ignore)
        assert "s3cr3t" not in repr((caught.value.message, caught.value.details))


@pytest.fixture
def judged_public(monkeypatch: pytest.MonkeyPatch) -> SourcePolicy:
    """A policy that refuses private hosts, and hosts that all count as public."""

    async def public(*_args: object) -> tuple[str, ...]:
        return ("127.0.0.1",)

    monkeypatch.setattr("docsfy_jupyter.sources.git.verify_host", public)
    return SourcePolicy(allowed_schemes=("http",))


async def test_a_renamed_repository_is_found_at_its_new_address_on_the_same_host(
    served: str, processes: Processes, tmp_path: Path, judged_public: SourcePolicy
) -> None:
    port = served.rpartition(":")[2]
    source = source_of(f"http://pinned.example:{port}/moved/moved/r.git/")
    assert await default_branch(source, judged_public, processes) == "trunk"
    notes: list[str] = []
    clone = await checkout(source, "trunk", tmp_path / "c", judged_public, processes, lambda _kind, text: notes.append(text))
    assert clone.ref == "trunk"
    assert notes == [f"The repository has moved to http://pinned.example:{port}/r.git; use that address from now on."]
    assert await changed_files(clone, source, clone.commit, judged_public, processes) == frozenset()


@pytest.mark.parametrize("path", ["/away/r.git", "/moved/away/r.git", "/moved/moved/moved/moved/r.git", "/moved/private/r.git"])
async def test_redirects_to_another_host_or_without_end_are_not_followed(
    path: str, served: str, processes: Processes, tmp_path: Path, judged_public: SourcePolicy
) -> None:
    source = source_of(f"http://pinned.example:{served.rpartition(':')[2]}{path}")
    with pytest.raises(SourceFailed, match="authentication required" if "private" in path else "redirects to another"):
        await checkout(source, "trunk", tmp_path / "c", judged_public, processes, ignore)


async def test_git_connects_to_the_address_that_was_judged(
    served: str, processes: Processes, judged_public: SourcePolicy
) -> None:
    source = source_of(f"http://pinned.example:{served.rpartition(':')[2]}/r.git")
    assert await default_branch(source, judged_public, processes) == "trunk"


@pytest.mark.case("G12")
async def test_an_endless_clone_ends_at_its_time_limit(stuck: str, processes: Processes, tmp_path: Path) -> None:
    policy = SourcePolicy(allowed_schemes=("http",), allow_private_hosts=True, clone_timeout=2)
    with pytest.raises(SourceFailed, match="clone timed out after 2 s"):
        await checkout(source_of(f"http://{stuck}/o/r.git"), "main", tmp_path / "c", policy, processes, ignore)
    with pytest.raises(BadRequest, match="did not answer within 1 s"):
        await default_branch(source_of(f"http://{stuck}/o/r.git"), policy, processes, timeout=1)
    assert git_processes() == []


@pytest.mark.case("G12")
async def test_a_clone_larger_than_the_limit_is_stopped(served: str, processes: Processes, tmp_path: Path) -> None:
    slow = tmp_path / "slow-git"
    slow.write_text('#!/bin/sh\ncase "$*" in *" clone "*) git "$@"; sleep 300;; *) exec git "$@";; esac\n')
    slow.chmod(0o755)
    policy = SourcePolicy(allowed_schemes=("http",), allow_private_hosts=True, max_clone_bytes=100, git_command=str(slow))
    with pytest.raises(SourceFailed, match="larger than"):
        await checkout(source_of(f"http://{served}/r.git"), "trunk", tmp_path / "c", policy, processes, ignore)
    assert not (tmp_path / "c").exists()


@pytest.mark.case("F14")
@pytest.mark.case("A05")
async def test_an_abort_while_cloning_leaves_no_process_and_no_folder(stuck: str, processes: Processes, tmp_path: Path) -> None:
    for number in range(5):
        source = source_of(f"http://{stuck}/o/r.git")
        task = asyncio.create_task(checkout(source, "main", tmp_path / f"c{number}", POLICY, processes, ignore))
        end = time.monotonic() + 20
        while not any("remote-http" in child.name() for child in git_processes()):
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 5
        assert git_processes() == []
    assert not list(tmp_path.glob("c*"))
