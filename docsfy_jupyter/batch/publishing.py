"""A folder that receives a site as a whole: readers see the site before or the new one, never a mixture."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from docsfy_jupyter.errors import BadRequest

_MARK = ".docsfy-site"


def is_published(folder: Path, version: str) -> bool:
    """Whether the folder holds this very version of a site."""
    try:
        return version in (folder / _MARK).read_text("utf-8").splitlines()
    except OSError:
        return False


def publish(archive: Path, folder: Path, version: str) -> None:
    """Unpack a site beside the folder, and swap it in by renaming.

    Parameters
    ----------
    archive : Path
        As `DocsfyClient.download` saves it.
    folder : Path
        Made with its parents; one that is not empty must be a site of ours.
    version : str
        What `is_published` asks for.

    Raises
    ------
    BadRequest
        The folder holds something else, which is left alone.
    OSError
        It cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).is_file())):
        raise BadRequest(f"{folder} holds something that is no site of docsfy; it was left alone.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=folder.parent) as made:
        aside = Path(made)
        with tarfile.open(archive) as tar:
            tar.extractall(aside / "new", filter="data")
        (site,) = (aside / "new").iterdir()
        (site / _MARK).write_text(f"made by docsfy_jupyter\n{version}\n", "utf-8")
        if folder.exists():
            os.replace(folder, aside / "old")
        try:
            os.replace(site, folder)
        except OSError:
            if (aside / "old").exists():
                os.replace(aside / "old", folder)
            raise
        shutil.rmtree(aside / "old", ignore_errors=True)
