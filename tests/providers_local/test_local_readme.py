"""HTML in a README: what a site can show stays a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_a_picture_in_html_stays_html_with_its_size_and_shows_the_repository_s_file(
    write: Callable[[dict[str, str]], Any],
) -> None:
    readme = (
        '# toy\n\n<picture>\n  <img alt="docs/a b.png" src="docs/a%20b.png" width="300">\n</picture>\n\n'
        '<img src="missing.png" alt="gone"> <img src="https://x.test/a.png" alt="far">\n'
    )
    text = write({"README.md": readme, "docs/a b.png": "png"}).pages()["overview"]
    assert '<img alt="docs/a b.png" src="repo-files/docs/a%20b.png" width="300">' in text
    assert 'gone <img src="https://x.test/a.png" alt="far">' in text
