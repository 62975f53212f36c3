"""Versions are swapped whole, whatever dies when; archives are reproducible."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from docsfy_jupyter.site.archive import write_archive
from docsfy_jupyter.site.versions import SiteVersions

_PUBLISH_FOREVER = """
import sys
from pathlib import Path
from docsfy_jupyter.site.versions import SiteVersions
sites = SiteVersions(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    version = sites.fresh()
    version.mkdir()
    for name in ("a.html", "b.html", "index.html"):
        (version / name).write_text(version.name)
    sites.publish(version)
    sites.remove_old(0)
"""


def complete(sites: SiteVersions) -> Path:
    """Make a version with an index."""
    version = sites.fresh()
    version.mkdir()
    (version / "index.html").write_text(version.name, encoding="utf-8")
    return version


def test_a_version_that_cannot_be_published_whole_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = SiteVersions(tmp_path)
    before, after = complete(sites), complete(sites)
    sites.publish(before)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)  # by which the version before is retired
        with pytest.raises(OSError, match="No space left"):
            sites.publish(after)
    assert sites.current() == before
    sites.publish(after)
    sites.remove_old(0)
    assert (sites.current(), before.exists()) == (after, False)


@pytest.mark.case("S05")
def test_the_old_site_stays_current_until_the_new_one_is_published(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path / "site")
    assert sites.current() is None
    old = complete(sites)
    sites.publish(old)
    half = sites.fresh()
    half.mkdir()
    with pytest.raises(ValueError, match="not a complete version"):
        sites.publish(half)
    assert SiteVersions(tmp_path / "site").current() == old
    sites.discard_unfinished()
    assert not half.exists()
    new = complete(sites)
    sites.publish(new)
    assert (sites.current(), old.exists()) == (new, True)
    sites.remove_old(3600)
    assert old.exists()
    sites.remove_old(0)
    assert (sites.current(), old.exists()) == (new, False)


@pytest.mark.case("S05")
def test_a_version_goes_when_it_has_been_retired_long_enough_however_fresh_the_next_one_is(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path)
    versions = [complete(sites) for _ in range(3)]
    for version in versions:
        sites.publish(version)
    retired = tmp_path / f"{versions[0].name}.retired"
    os.utime(retired, (time.time() - 100, time.time() - 100))
    sites.remove_old(60)
    assert [version.exists() for version in versions] == [False, True, True]
    assert not retired.exists()


def test_a_version_that_is_being_built_stays_and_one_that_was_given_up_goes(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path)
    old, now, built = (complete(sites) for _ in range(3))
    for version in (old, now):
        sites.publish(version)
    sites.remove_old(60)
    assert built.exists()
    sites.discard_unpublished()
    assert [version.exists() for version in (old, now, built)] == [True, True, False]


@pytest.mark.case("S05")
def test_a_version_stays_whole_while_somebody_reads_it(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path)
    old = complete(sites)
    sites.publish(old)
    with sites.reading() as site:
        sites.publish(complete(sites))
        SiteVersions(tmp_path).remove_old(0)
        assert site == old
        assert (old / "index.html").is_file()
    sites.remove_old(0)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["current", sites.current().name])  # type: ignore[union-attr]


@pytest.mark.case("S05")
def test_readers_and_archives_see_one_whole_version_each_during_many_swaps(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path / "site")
    sites.publish(complete(sites))
    with subprocess.Popen([sys.executable, "-c", _PUBLISH_FOREVER, str(sites.root)], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            seen = {archived(sites, tmp_path / "one.tar.gz") for _ in range(60)}
        finally:
            child.kill()
    assert len(seen) > 5


def archived(sites: SiteVersions, target: Path) -> str:
    """Read the site and pack it; return the one version that both have."""
    with sites.reading() as site:
        assert site is not None
        write_archive(site, target, "top")
        texts = {path.read_text(encoding="utf-8") for path in site.iterdir()}
    assert texts == {site.name}
    with tarfile.open(target) as archive:
        assert {archive.extractfile(name).read().decode() for name in archive.getnames()} == {site.name}  # type: ignore[union-attr]
    return site.name


def test_a_version_that_was_replaced_before_its_reader_could_be_seen_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = SiteVersions(tmp_path)
    old, now = complete(sites), complete(sites)
    sites.publish(old)
    beside = sites._beside

    def overtaken(version: Path, what: str) -> Path:
        if version == old and what.startswith("reader-") and sites.current() == old:
            sites.publish(now)  # whoever removes old versions may have looked for readers by now
        return beside(version, what)

    monkeypatch.setattr(sites, "_beside", overtaken)
    with sites.reading() as read:
        assert read == now


def test_the_published_version_is_found_although_it_is_replaced_and_removed_while_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = SiteVersions(tmp_path)
    old, now = complete(sites), complete(sites)
    sites.publish(old)
    named = sites._named

    def overtaken() -> str:
        name = named()
        if name == old.name:
            sites._pointer.write_text(now.name)
            shutil.rmtree(old)
        return name

    monkeypatch.setattr(sites, "_named", overtaken)
    assert sites.current() == now


def test_a_folder_without_a_site_is_read_as_none(tmp_path: Path) -> None:
    with SiteVersions(tmp_path / "site").reading() as site:
        assert site is None


@pytest.mark.case("S05")
def test_a_process_killed_at_any_moment_leaves_a_whole_site(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path / "site")
    sites.publish(complete(sites))
    pause = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", _PUBLISH_FOREVER, str(sites.root)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause.uniform(0.0, 0.2))
        child.kill()
        child.wait()
        child.stdout.close()
        current = sites.current()
        assert current is not None
        assert (current / "index.html").read_text(encoding="utf-8") == current.name
        sites.discard_unfinished()
        assert sorted(path.name for path in sites.root.iterdir()) == sorted([current.name, "current"])


def test_a_pointer_to_elsewhere_is_no_site(tmp_path: Path) -> None:
    sites = SiteVersions(tmp_path)
    (tmp_path / "current").write_text("../other\n", encoding="ascii")
    assert sites.current() is None


def test_the_archive_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "assets").mkdir(parents=True)
        (tmp_path / name / "index.html").write_text("hi", encoding="utf-8")
        (tmp_path / name / "assets" / "x.css").write_text("", encoding="utf-8")
        os.utime(tmp_path / name / "index.html", (len(name) * 1000, 5))
        write_archive(tmp_path / name, tmp_path / f"{name}.tar.gz", "demo-docs")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert archive.getnames() == ["demo-docs/assets/x.css", "demo-docs/index.html"]
