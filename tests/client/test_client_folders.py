"""The folder of ``--output`` and ``publish_dir``: files of others stay, files of an earlier site go, and what cannot be written is told first."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docsfy_jupyter.client.exchange import exchange
from docsfy_jupyter.client.folders import check_folder, holds_version, unpack_site
from docsfy_jupyter.errors import BadRequest, ClientError

MARK = ".docsfy-site"


def archive(folder: Path, **files: str) -> Path:
    """Make an archive as a server sends it; ``__`` in a name is a slash and ``_`` a dot."""
    path = folder / "site.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"demo-main-local-static/{name.replace('__', '/').replace('_', '.')}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def tree(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in found}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


def test_what_others_put_there_stays_and_what_an_earlier_site_had_goes(tmp_path: Path, out: Path) -> None:
    assert unpack_site(archive(tmp_path, index_html="1", old_html="1", assets__a_js="1", gone__x_js="1"), out) == []
    theirs = {"CNAME": "docs.example.org", "assets/mine.css": "m", "downloads/data.csv": "d", ".git/HEAD": "ref"}
    for name, text in theirs.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    inode = out.stat().st_ino
    check_folder(out)
    assert unpack_site(archive(tmp_path, index_html="2", new_html="2", assets__a_js="2"), out) == []
    assert tree(out) == {"index.html": "2", "new.html": "2", "assets/a.js": "2", **theirs}
    assert not (out / "gone").exists()
    assert out.stat().st_ino == inode  # it may be a mount, and is served perhaps
    assert [path.name for path in out.iterdir() if path.name.startswith(".docsfy-")] == [MARK]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_others_with_a_name_of_ours_is_replaced_only_on_demand(tmp_path: Path, out: Path, overwrite: bool) -> None:
    unpack_site(archive(tmp_path, index_html="1"), out)
    (out / "robots.txt").write_text("mine")
    (out / "assets").symlink_to(tmp_path)
    new = archive(tmp_path, index_html="2", robots_txt="2", assets__a_js="2")
    kept = unpack_site(new, out, overwrite=overwrite)
    assert kept == ([] if overwrite else ["assets/a.js", "robots.txt"])
    assert (out / "robots.txt").read_text() == ("2" if overwrite else "mine")
    assert (out / "assets").is_symlink() is not overwrite
    assert not (tmp_path / "a.js").exists()
    unpack_site(archive(tmp_path, index_html="3"), out)
    assert (out / "robots.txt").exists() is not overwrite


def test_a_mark_that_was_edited_leads_nowhere_else(tmp_path: Path, out: Path) -> None:
    unpack_site(archive(tmp_path, index_html="1"), out)
    precious = [tmp_path / "precious.txt", tmp_path / "linked" / "precious.txt"]
    for path in precious:
        path.parent.mkdir(exist_ok=True)
        path.write_text("p")
    (out / "way").symlink_to(tmp_path / "linked")
    lines = ["made by", "../../precious.txt", str(precious[0]), "way/precious.txt", "..", "", "index.html"]
    (out / MARK).write_text("\n".join(lines))
    unpack_site(archive(tmp_path, index_html="2"), out)
    assert [path.read_text() for path in precious] == ["p", "p"]
    assert tree(out)["index.html"] == "2"


def test_a_mark_of_an_early_version_names_no_files(tmp_path: Path, out: Path) -> None:
    out.mkdir(parents=True)
    for name in (MARK, "index.html", "CNAME"):
        (out / name).write_text("made by docsfy_jupyter\n")
    assert unpack_site(archive(tmp_path, index_html="2"), out) == []
    assert tree(out) == {"index.html": "2", "CNAME": "made by docsfy_jupyter\n"}


def test_a_mark_of_an_early_batch_has_a_version_that_is_no_file(tmp_path: Path, out: Path) -> None:
    out.mkdir(parents=True)
    (out / "index.html").write_text("1")
    (out / MARK).write_text("made by docsfy_jupyter\ndemo/main/local/static 2026-11-25T03:00:00+00:00\n")
    assert unpack_site(archive(tmp_path, index_html="2"), out) == []
    assert tree(out) == {"index.html": "2"}


def test_the_version_of_a_site_is_known_once_all_of_it_is_there(tmp_path: Path, out: Path) -> None:
    assert not holds_version(out, "demo 1")
    unpack_site(archive(tmp_path, index_html="1"), out, version="demo 1")
    assert holds_version(out, "demo 1")
    assert not holds_version(out, "demo 2")
    (out / "robots.txt").write_text("mine")
    assert unpack_site(archive(tmp_path, index_html="2", robots_txt="2"), out, version="demo 2") == ["robots.txt"]
    assert not holds_version(out, "demo 2")
    assert not holds_version(out, "")
    (out / "robots.txt").unlink()
    assert unpack_site(archive(tmp_path, index_html="2", robots_txt="2"), out, version="demo 2") == []
    assert holds_version(out, "demo 2")
    assert tree(out) == {"index.html": "2", "robots.txt": "2"}  # no version is taken for a file


KILLED = """
import os, sys
from pathlib import Path
from docsfy_jupyter.client import folders

left, replace = int(sys.argv[1]), os.replace

def counted(*paths):
    global left
    left -= 1
    if not left:
        os._exit(9)  # as by kill -9: nothing is tidied up
    replace(*paths)

os.replace = counted
folders.unpack_site(Path(sys.argv[2]), Path(sys.argv[3]), version="2")
"""


@pytest.mark.parametrize("moment", range(1, 7))
def test_killed_at_any_moment_every_page_is_whole_and_the_next_one_finishes_it(tmp_path: Path, out: Path, moment: int) -> None:
    unpack_site(archive(tmp_path, index_html="1", both_html="1", old_html="1", old_js="1"), out, version="1")
    (out / "CNAME").write_text("docs.example.org")
    new = archive(tmp_path, index_html="2", both_html="2", new_html="2", new_js="2")
    done = subprocess.run([sys.executable, "-c", KILLED, str(moment), str(new), str(out)], check=False)
    assert done.returncode == 9
    seen = {name: text for name, text in tree(out).items() if "/" not in name}
    assert seen.pop("CNAME") == "docs.example.org"
    assert seen["index.html"] in "12"
    assert seen["both.html"] in "12"
    assert "2" not in (seen["index.html"], seen["both.html"]) or seen["new.js"] == "2"  # what new pages load is there
    assert {"old.html": "1", "old.js": "1"}.items() <= seen.items() or seen["index.html"] == "2"
    assert not holds_version(out, "2")
    check_folder(out)
    assert unpack_site(new, out, version="2") == []
    assert tree(out) == {"index.html": "2", "both.html": "2", "new.html": "2", "new.js": "2", "CNAME": "docs.example.org"}
    assert [path.name for path in out.iterdir() if path.name.startswith(".docsfy-")] == [MARK]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"<html>", lambda data: data[:10] + b"\xff" * 40, lambda data: b""])
def test_an_archive_that_is_damaged_is_told_and_the_site_before_stays(tmp_path: Path, out: Path, damage: Callable[[bytes], bytes]) -> None:
    unpack_site(archive(tmp_path, index_html="1"), out)
    new = archive(tmp_path, index_html=os.urandom(5000).hex())
    new.write_bytes(damage(new.read_bytes()))
    with pytest.raises(ClientError, match="The archive of the site is damaged"):
        unpack_site(new, out)
    assert tree(out) == {"index.html": "1"}


def test_two_do_not_write_one_folder_at_once(tmp_path: Path, out: Path) -> None:
    unpack_site(archive(tmp_path, index_html="1"), out)
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ClientError, match="Another process is writing a site"):
        unpack_site(archive(tmp_path, index_html="2"), out)
    os.close(handle)
    assert unpack_site(archive(tmp_path, index_html="2"), out) == []


def test_a_file_becomes_a_folder_and_back(tmp_path: Path, out: Path) -> None:
    unpack_site(archive(tmp_path, a="1", b__c="1"), out)
    unpack_site(archive(tmp_path, a__c="2", b="2"), out)
    assert tree(out) == {"a/c": "2", "b": "2"}


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write, root neither: below a file for him."""
    place = tmp_path / "place"
    if os.getuid():
        place.mkdir()
        place.chmod(0o555)
    else:
        place.write_text("")
    yield place / "out"
    place.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_told_by_its_name(tmp_path: Path, unwritable: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        check_folder(unwritable)
    assert refused.value.message.startswith(f"{unwritable} cannot be written: ")
    with pytest.raises(ClientError) as failed:
        unpack_site(archive(tmp_path, index_html="1"), unwritable)
    assert failed.value.message.startswith(f"The site could not be written to {unwritable}: ")
    assert MARK.split("-")[0] + "-" not in failed.value.message


def test_a_folder_with_nothing_but_a_site_is_swapped_at_one_instant(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack_site(archive(tmp_path, index_html="1", old_html="1", assets__a_js="1"), out, version="1")
    out.chmod(0o2755)
    (out / ".docsfy-site.new").mkdir()  # what a process that was killed has left
    (tmp_path / "link").symlink_to(out)
    seen: list[dict[str, str]] = []

    def watched(one: Path, other: Path) -> None:
        seen.append(tree(out))
        exchange(one, other)
        seen.append(tree(out))

    monkeypatch.setattr("docsfy_jupyter.client.folders.exchange", watched)
    assert unpack_site(archive(tmp_path, index_html="2", new_html="2", assets__a_js="2"), tmp_path / "link", version="2") == []
    assert seen == [{"index.html": "1", "old.html": "1", "assets/a.js": "1"}, {"index.html": "2", "new.html": "2", "assets/a.js": "2"}]
    assert holds_version(out, "2")
    assert stat.S_IMODE(out.stat().st_mode) == 0o2755
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert sorted(path.name for path in out.iterdir()) == [MARK, "assets", "index.html", "new.html"]


@pytest.mark.parametrize("theirs", ["CNAME", "assets/mine.css", "empty/", "link", ".docsfy-site.new.mine"])
def test_a_folder_that_holds_something_of_others_stays_the_folder_it_is(tmp_path: Path, out: Path, theirs: str) -> None:
    unpack_site(archive(tmp_path, index_html="1", assets__a_js="1"), out)
    if theirs == "link":
        (out / theirs).symlink_to(tmp_path)
    elif theirs.endswith("/"):
        (out / theirs).mkdir()
    else:
        (out / theirs).write_text("mine")
    inode = out.stat().st_ino
    unpack_site(archive(tmp_path, index_html="2", assets__a_js="2"), out)
    assert out.stat().st_ino == inode
    assert (out / theirs).exists()
    assert (out / "index.html").read_text() == "2"


def test_where_folders_cannot_change_places_files_are_replaced_one_by_one(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack_site(archive(tmp_path, index_html="1", old_html="1"), out)
    inode = out.stat().st_ino

    def refused(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(other))

    monkeypatch.setattr("docsfy_jupyter.client.folders.exchange", refused)
    assert unpack_site(archive(tmp_path, index_html="2"), out, version="2") == []
    assert (tree(out), holds_version(out, "2"), out.stat().st_ino) == ({"index.html": "2"}, True, inode)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    monkeypatch.undo()
    (out.parent / ".out.docsfy-site.new").write_text("somebody's file")
    assert unpack_site(archive(tmp_path, index_html="3"), out) == []
    assert (tree(out), out.stat().st_ino) == ({"index.html": "3"}, inode)


SWAP_KILLED = """
import os, sys
from pathlib import Path
from docsfy_jupyter.client import folders

exchange = folders.exchange

def killed(*paths):
    if sys.argv[1] == "after":
        exchange(*paths)
    os._exit(9)

folders.exchange = killed
folders.unpack_site(Path(sys.argv[2]), Path(sys.argv[3]), version="2")
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_the_swap_the_folder_has_one_whole_site_and_the_next_one_tidies_up(tmp_path: Path, out: Path, moment: str) -> None:
    unpack_site(archive(tmp_path, index_html="1", old_html="1"), out, version="1")
    new = archive(tmp_path, index_html="2", new_html="2")
    done = subprocess.run([sys.executable, "-c", SWAP_KILLED, moment, str(new), str(out)], check=False)
    assert done.returncode == 9
    whole = {"index.html": "1", "old.html": "1"} if moment == "before" else {"index.html": "2", "new.html": "2"}
    assert tree(out) == whole
    assert holds_version(out, "1" if moment == "before" else "2")
    check_folder(out)
    left = out.parent / ".out.docsfy-site.new"
    handle = os.open(left, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as if the process were still tidying up there
    with pytest.raises(ClientError, match="Another process is writing a site"):
        unpack_site(new, out)
    os.close(handle)
    assert unpack_site(archive(tmp_path, index_html="3"), out) == []
    assert tree(out) == {"index.html": "3"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_two_folders_change_places_or_stay(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / path.name).write_text("")
    exchange(one, other)
    assert (one / "other").exists()
    assert (other / "one").exists()
    with pytest.raises(OSError, match="No such file"):
        exchange(one, tmp_path / "none")
    assert (one / "other").exists()


@pytest.mark.parametrize("below", [".git", ".git/site"])
def test_the_files_of_git_itself_are_no_place_for_a_site(tmp_path: Path, below: str) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(BadRequest, match="lies among the files of git itself"):
        check_folder(tmp_path / below)
