"""The folder of ``--output``: files of others stay, files of an earlier site go, and what cannot be written is told first."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from docsfy_jupyter.cli.sites import check_output, unpack_site
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
    check_output(out, overwrite=False)
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
        check_output(unwritable, overwrite=False)
    assert refused.value.message.startswith(f"{unwritable} cannot be written: ")
    with pytest.raises(ClientError) as failed:
        unpack_site(archive(tmp_path, index_html="1"), unwritable)
    assert failed.value.message.startswith(f"The site could not be written to {unwritable}: ")
    assert MARK.split("-")[0] + "-" not in failed.value.message
