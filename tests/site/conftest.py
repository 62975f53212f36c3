"""The sample site, rendered once, from disk and under a prefix."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from docsfy_jupyter.models import Plan
from docsfy_jupyter.site.render import RenderReport, SiteJob, render_site

DATA = Path(__file__).parent.parent / "data" / "site"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da6364f8cf500f0003860181e3a2cc3c0000000049454e44ae426082"
)
PREFIX = "/user/a@b/files/demo/site/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)


def sample_job(out: Path, folder: Path) -> SiteJob:
    """Return the job of the sample site; `folder` gets its image."""
    logo = folder / "logo.png"
    logo.write_bytes(PIXEL)
    pages = {slug: DATA / f"{slug}.md" for slug in ("overview", "store", "hostile")}
    plan = Plan.model_validate_json((DATA / "plan.json").read_text(encoding="utf-8"))
    texts = {"branch": "main", "commit": "0123456789abcdef", "provider": "local", "model": "static"}
    made = "2026-01-02T03:04:05+00:00"
    return SiteJob(
        plan, pages, {"docs/my logo.png": logo}, out, "demo", plan.tagline, "https://example.org/demo", generated_at=made, **texts
    )


@dataclass
class Sample:
    """The rendered sample."""

    path: Path
    report: RenderReport

    def read(self, name: str) -> str:
        """Return a file of the site."""
        return (self.path / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Render the sample site once."""
    folder = tmp_path_factory.mktemp("sample")
    job = sample_job(folder / "site", folder)
    return Sample(job.out, render_site(job))


class _Prefixed(http.server.SimpleHTTPRequestHandler):
    """Serves the site under the prefix alone, with the policy of a careful server."""

    def translate_path(self, path: str) -> str:
        """Map an address to a file; anything outside the prefix is missing."""
        clean = unquote(path.split("?")[0])
        return super().translate_path("/" + clean[len(PREFIX) :]) if clean.startswith(PREFIX) else "/nonexistent"

    def end_headers(self) -> None:
        """Add the policy."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="session")
def served(sample: Sample) -> Iterator[str]:
    """Serve the sample; yield its address with the prefix."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Prefixed, directory=str(sample.path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["file", "http"])
def address(request: pytest.FixtureRequest, sample: Sample, served: str) -> str:
    """Give the site's address, from disk and under a prefix."""
    return sample.path.as_uri() + "/" if request.param == "file" else served
