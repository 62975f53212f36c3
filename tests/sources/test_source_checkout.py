"""Clones of local repositories: read-only, of any shape, and clear about what is not there."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from docsfy_jupyter.errors import BadRequest, SourceFailed
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.sources.checkout import Checkout, changed_files, checkout
from docsfy_jupyter.sources.remote import DefaultBranches, Refs, default_branch, remote_head
from docsfy_jupyter.sources.rules import Source, SourcePolicy, parse_source

POLICY = SourcePolicy()


def run_git(folder: Path, *args: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def make_repo(folder: Path, branch: str = "main") -> Path:
    folder.mkdir()
    run_git(folder, "init", "-q", "-b", branch)
    (folder / "README.md").write_text("one\n")
    return commit_all(folder)


def commit_all(folder: Path) -> Path:
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "change")
    return folder


def source_of(folder: Path) -> Source:
    return parse_source(repo_url=None, repo_path=str(folder), policy=POLICY)


async def clone(folder: Path, ref: str, into: Path, processes: Processes) -> Checkout:
    notes: list[str] = []
    made = await checkout(source_of(folder), ref, into, POLICY, processes, lambda _kind, text: notes.append(text))
    assert notes == list(made.notes)
    return made


@pytest.mark.case("G13")
async def test_bare_repository_worktree_and_odd_names_are_cloned_and_left_alone(processes: Processes, tmp_path: Path) -> None:
    odd = make_repo(tmp_path / "it's a repo")
    run_git(tmp_path, "clone", "-q", "--bare", str(odd), str(tmp_path / "bare.git"))
    run_git(odd, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (odd / "README.md").write_text("changed, not committed\n")
    (odd / "new.txt").write_text("untracked\n")
    index, before = (odd / ".git" / "index").read_bytes(), run_git(odd, "status", "--porcelain")
    for number, (folder, ref) in enumerate([(odd, "main"), (tmp_path / "bare.git", "main"), (tmp_path / "side", "side")]):
        made = await clone(folder, await default_branch(source_of(folder), POLICY, processes), tmp_path / f"c{number}", processes)
        assert (made.ref, made.ref_kind, made.is_default_branch) == (ref, "branch", True)
        assert (made.path / "README.md").read_text() == "one\n"
        assert run_git(made.path, "rev-list", "--count", "HEAD") == "1"
        assert bool(made.notes) == (folder == odd)
    assert run_git(odd, "status", "--porcelain") == before
    assert index == (odd / ".git" / "index").read_bytes()


@pytest.mark.case("G04")
async def test_the_default_branch_need_not_be_main_and_a_missing_one_names_those_that_exist(
    processes: Processes, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "r", "trunk")
    assert await default_branch(source_of(repo), POLICY, processes) == "trunk"
    with pytest.raises(SourceFailed, match=r"branch main not found .* Its branches: trunk\."):
        await clone(repo, "main", tmp_path / "c", processes)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("mian", "branch mian not found in /r. Did you mean main? Its branches: b00, b01, "),
        ("v1.1", "branch v1.1 not found in /r. Did you mean v1.10? Its branches: b00, "),
        ("other", "branch other not found in /r. Its branches: b00, "),
    ],
)
def test_a_mistyped_branch_is_answered_with_the_names_that_are_near(ref: str, says: str) -> None:
    there = Refs("main", dict.fromkeys(("main", *(f"b{number:02}" for number in range(25))), "c"), {"v1.10": "c"})
    said = there.without(ref, Source("path", "/r", "/r", "r"))
    assert said.startswith(says)
    assert said.endswith(", b18, b19 and 6 more.")


async def test_a_tag_is_cloned_as_a_tag_at_its_commit(processes: Processes, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    run_git(repo, "tag", "-a", "v1.10", "-m", "a release")
    sha = run_git(repo, "rev-parse", "HEAD")
    (repo / "more.txt").write_text("x")
    commit_all(repo)
    made = await clone(repo, "v1.10", tmp_path / "c", processes)
    assert (made.commit, made.ref_kind, made.is_default_branch, made.default_branch) == (sha, "tag", False, "main")
    assert await remote_head(source_of(repo), "v1.10", POLICY, processes) == sha
    assert await remote_head(source_of(repo), "main", POLICY, processes) == run_git(repo, "rev-parse", "HEAD")
    with pytest.raises(SourceFailed, match=r"^branch v1\.1 not found in .*\. Did you mean v1\.10\? Its branches: main\.$"):
        await remote_head(source_of(repo), "v1.1", POLICY, processes)


async def test_the_commit_is_known_however_git_keeps_it(processes: Processes, tmp_path: Path) -> None:
    """What git writes to its folder differs: loose, packed, or as a table in versions to come."""
    repo = make_repo(tmp_path / "repo", "a/b")
    program = tmp_path / "git"
    program.write_text(
        f"""#!/bin/sh
git "$@" || exit
case " $* " in *" clone "*) git -C {tmp_path}/packed pack-refs --all ;; esac
"""
    )
    program.chmod(0o755)
    packing = replace(POLICY, git_command=str(program))
    loose = await clone(repo, "a/b", tmp_path / "loose", processes)
    packed = await checkout(source_of(repo), "a/b", tmp_path / "packed", packing, processes, lambda *_: None)
    assert not (tmp_path / "packed" / ".git" / "refs" / "heads" / "a" / "b").exists()
    assert loose.commit == packed.commit == run_git(repo, "rev-parse", "HEAD")


async def test_empty_and_detached_repositories_say_so(processes: Processes, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q", str(tmp_path / "empty"))
    with pytest.raises(BadRequest, match="no commit"):
        await default_branch(source_of(tmp_path / "empty"), POLICY, processes)
    with pytest.raises(SourceFailed, match="is empty"):
        await clone(tmp_path / "empty", "main", tmp_path / "c", processes)
    detached = make_repo(tmp_path / "detached")
    run_git(detached, "checkout", "-q", "--detach")
    with pytest.raises(BadRequest, match="name the branch"):
        await default_branch(source_of(detached), POLICY, processes)
    assert (await clone(detached, "main", tmp_path / "d", processes)).default_branch is None


@pytest.mark.case("G07")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_a_folder_of_another_user_gives_gits_advice(processes: Processes, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(SourceFailed, match=r"another user.*safe\.directory"):
        await clone(repo, "main", tmp_path / "c", processes)


@pytest.mark.case("G08")
async def test_names_of_any_bytes_are_listed(processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "C")
    repo = make_repo(tmp_path / "r")
    names = [b"caf\xe9.txt", b"a\nb.txt", "文.md".encode(), b'"q".md']
    for name in names:
        Path(os.fsdecode(os.fsencode(repo) + b"/" + name)).write_text("x")
    commit_all(repo)
    made = await clone(repo, "main", tmp_path / "c", processes)
    assert {os.fsencode(file.path) for file in made.files} == {b"README.md", *names}
    assert all((made.path / file.path).is_file() for file in made.files)


async def test_symlinks_submodules_and_hooks_are_not_followed_and_lfs_pointers_are_noted(
    processes: Processes, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "r")
    (repo / "link").symlink_to("/etc/passwd")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (repo / "model.bin").write_text(pointer)
    run_git(repo, "add", "-A")
    run_git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    run_git(repo, "commit", "-q", "-m", "odd things")
    made = await clone(repo, "main", tmp_path / "c", processes)
    modes = {file.path: (file.mode, file.size) for file in made.files}
    assert modes["sub"] == ("160000", 0)
    assert modes["link"][0] == "120000"
    assert not (made.path / "link").is_symlink()
    assert any("1 files are Git LFS pointers" in note and "model.bin" in note for note in made.notes)


async def test_the_difference_to_an_older_commit_is_found_on_a_shallow_clone(processes: Processes, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    old = run_git(repo, "rev-parse", "HEAD")
    (repo / "caf\udce9.txt").write_text("x")
    commit_all(repo)
    run_git(repo, "mv", "README.md", "READ.md")
    commit_all(repo)
    made = await clone(repo, "main", tmp_path / "c", processes)
    source = source_of(repo)
    assert await changed_files(made, source, old, POLICY, processes) == {"caf\udce9.txt", "README.md", "READ.md"}
    assert await changed_files(made, source, made.commit, POLICY, processes) == frozenset()
    for vanished in ("0" * 40, "--upload-pack=x", ""):
        assert await changed_files(made, source, vanished, POLICY, processes) is None


@pytest.mark.case("G12")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
async def test_a_full_disk_names_the_folder(processes: Processes, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    (repo / "big.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    commit_all(repo)
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode != 0:
        pytest.skip("no right to mount")
    try:
        with pytest.raises(SourceFailed, match="No space left") as caught:
            await clone(repo, "main", small / "c", processes)
        assert str(small) in caught.value.message
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


async def test_the_default_branch_is_asked_once_by_those_who_ask_together(processes: Processes, tmp_path: Path) -> None:
    git, asked = tmp_path / "counting-git", tmp_path / "asked"
    git.write_text(f'#!/bin/sh\ncase "$*" in *ls-remote*) echo "$*" >> {asked};; esac\nexec git "$@"\n')
    git.chmod(0o755)
    branches = DefaultBranches(SourcePolicy(git_command=str(git)), processes)
    one, other = source_of(make_repo(tmp_path / "one", "trunk")), source_of(make_repo(tmp_path / "other"))
    (tmp_path / "empty").mkdir()
    run_git(tmp_path / "empty", "init", "-q")
    empty = source_of(tmp_path / "empty")
    found = await asyncio.gather(*(branches.of(source) for source in [one, other, empty] * 20), return_exceptions=True)
    assert [*found[0::3], *found[1::3]] == ["trunk"] * 20 + ["main"] * 20
    assert {str(error) for error in found[2::3]} == {str(found[2])}
    assert isinstance(found[2], BadRequest)
    assert len(asked.read_text("utf-8").splitlines()) == 3
