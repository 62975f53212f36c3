"""The folder that receives a site."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from docsfy_jupyter.errors import BadRequest

_MARK = ".docsfy-site"


def check_output(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something other than a site of ours.

    Raises
    ------
    BadRequest
    """
    if target.exists() and not target.is_dir():
        raise BadRequest(f"{target} is a file; --output needs a folder.")
    if target.is_dir() and any(target.iterdir()) and not (target / _MARK).exists() and not overwrite:
        raise BadRequest(f"{target} is not empty and holds no site of docsfy; choose another folder or pass --force-output.")


def unpack_site(archive: Path, target: Path) -> None:
    """Unpack a site beside its place and swap it in whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=target.parent) as folder:
        aside = Path(folder)
        with tarfile.open(archive) as tar:
            tar.extractall(aside / "new", filter="data")
        (site,) = (aside / "new").iterdir()
        (site / _MARK).write_text("made by docsfy_jupyter\n", "utf-8")
        if target.exists():
            os.replace(target, aside / "old")
        os.replace(site, target)
        shutil.rmtree(aside / "old", ignore_errors=True)
