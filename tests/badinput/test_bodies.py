"""Names, branches, models, owners, URLs and paths of every kind through a real server: no 5xx, and nothing is written elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from invariants import settle
from servers import Server, await_health, end, git, launch, make_demo_repo

pytestmark = pytest.mark.timeout(900)
NASTY = (
    "..", ".", "../../outside", "..%2f..%2foutside", "a/../../outside", "/etc/passwd", "a//b", "a\\..\\b", "CON", "x" * 5000, "é" * 300,
    "-u", "--upload-pack=touch outside", "--output=outside", "$(touch outside)", "`touch outside`", ";touch outside", "|touch outside",
    "a\nb", "a\rb", "a\0b", "\u202e\u2066x", "\ud800", "\U0001f600", "%s%n%x", "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "'; DROP TABLE projects; --",
    "main", "HEAD", "@", "@{-1}", "refs/heads/main", "main~1", "main.lock", "a..b", "null", "true", "1e999", "NaN", "", " ", "\t",
)  # fmt: skip
URLS = (
    "file:///etc/passwd", "ext::sh -c touch% outside", "http://127.0.0.1:1/o/r.git", "https://[::1]/o/r.git", "https://[::1", "https://",
    "https://169.254.169.254/latest/meta-data", "https://0x7f000001/o/r", "https://2130706433/o/r", "https://localhost./o/r", "git@localhost:o/r.git",
    "https://exa mple.invalid/o/r", "https://example.invalid:99999/o/r", "https://example.invalid:port/o/r", "https://example.invalid/../../outside",
    "https://example.invalid/o/..%2f..%2foutside.git", "https://-x.invalid/o/r", "-oProxyCommand=touch outside", "ssh://-oProxyCommand=touch/o/r",
    "https://u:p@w@example.invalid/o/r", "HTTPS://EXAMPLE.INVALID/O/R.GIT", "https://xn--.invalid/o", "https://example.invalid/o\n/r", "javascript:alert(1)",
)  # fmt: skip

RUN_TO_THEIR_END = 20  # of a thousand runs of one field; the others are aborted

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=30), st.builds("".join, st.lists(st.sampled_from(NASTY), max_size=3)))
values = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(texts, max_size=2), st.dictionaries(texts, texts, max_size=2))


@pytest.fixture(scope="module")
def outer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is watched: a server's home and a repository are in it."""
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def server(outer: Path) -> Iterator[Server]:
    """A server of this file's own, whose surroundings nobody else changes."""
    (outer / "home").mkdir()
    made = launch(outer / "home", data_dir=outer / "home" / "data")
    await_health(made)
    yield made
    end(made)


@pytest.fixture(scope="module")
def repo(outer: Path) -> Path:
    """A repository, with a branch of an odd name."""
    made = make_demo_repo(outer)
    git(made, "branch", "feature/ü#%")
    return made


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> settings:
    """How many examples, and which."""
    examples = request.config.getoption("examples")
    return settings(
        max_examples=examples, derandomize=examples <= 20, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink], print_blob=True,
    )  # fmt: skip


@pytest.fixture
def sound(server: Server, outer: Path, repo: Path) -> Iterator[Callable[[httpx.Response], httpx.Response]]:
    """Check an answer; after the test, that nothing around the data folder has changed."""
    before = surroundings(outer, server)

    def check(answer: httpx.Response) -> httpx.Response:
        assert answer.status_code < 500, (answer.request.url, answer.text[:2000])
        if answer.status_code >= 400 and "/docsfy/" in str(answer.request.url):
            assert {"detail", "message", "code"} <= answer.json().keys()
        return answer

    yield check
    rows = settle(server)
    assert [row for row in rows if "Internal error" in (row["error_message"] or "")] == []
    assert "Traceback" not in server.log.read_text("utf-8", "replace")
    assert surroundings(outer, server) == before


def surroundings(outer: Path, server: Server) -> dict[str, str]:
    """Return every file around the data folder and its digest, but for the server's own log and runtime files."""
    own = (server.data_dir, server.log, server.log.parent / "runtime", server.log.parent / "config")
    return {
        str(path.relative_to(outer)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(outer.rglob("*"))
        if not any(path == one or one in path.parents for one in own)
    }


def post(server: Server, body: Any) -> httpx.Response:
    return server.call("POST", "api/generate", content=dumped(body), headers={"Content-Type": "application/json"})


def dumped(body: Any) -> bytes:
    """Write JSON as a careless client does: NaN and lone surrogates too."""
    return json.dumps(body).encode("ascii")


@pytest.mark.parametrize("field", ["name", "branch", "ai_model", "ai_provider", "owner", "repo_path", "credential_env", "force", "ai_cli_timeout"])
def test_one_odd_field_of_a_start(server: Server, repo: Path, sound: Any, thorough: settings, field: str) -> None:
    accepted = count(1)

    @thorough
    @given(value=values)
    def holds(value: Any) -> None:
        body = {"repo_path": str(repo), "name": "odd", "branch": "main", "ai_provider": "fake", "ai_model": "pages=1"}
        answer = sound(post(server, {**body, field: value}))
        if answer.status_code == 202:
            path = answer.headers["Location"].partition("/docsfy/")[2]
            sound(server.call("GET", path))
            if next(accepted) > RUN_TO_THEIR_END:
                assert sound(server.call("POST", f"{path}/abort")).status_code in (200, 409)

    holds()


@pytest.mark.parametrize("field", ["name", "branch", "ai_model", "ai_provider", "owner"])
def test_text_that_no_utf8_can_hold_is_refused(server: Server, repo: Path, sound: Any, field: str) -> None:
    body = {"repo_path": str(repo), "name": "odd", "branch": "main", "ai_provider": "fake", "ai_model": "pages=1"}
    for value in ("\ud800", "a\udfffb"):
        answer = sound(post(server, {**body, field: value}))
        assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, field)


def test_odd_urls(server: Server, sound: Any, thorough: settings) -> None:
    @thorough
    @given(url=st.one_of(st.sampled_from(URLS), texts.map("https://example.invalid/{}".format), texts.map("https://{}/o/r".format), texts))
    def holds(url: str) -> None:
        body = {"repo_url": url, "name": "odd-url", "branch": "main", "ai_provider": "fake", "ai_model": "pages=1"}
        sound(post(server, body))
        sound(server.call("POST", "api/estimate", content=dumped(body)))

    holds()


def test_odd_addresses_of_variants_and_sites(server: Server, repo: Path, sound: Any, thorough: settings) -> None:
    start = {"repo_path": str(repo), "name": "walked", "branch": "feature/ü#%", "provider": "fake", "model": "pages=1"}
    assert sound(post(server, start)).status_code == 202
    site = f"docs/walked/{quote('feature/ü#%', safe='')}/fake/pages%3D1/"
    server.ended(site.replace("docs/", "api/projects/").rstrip("/"))
    segments = st.lists(texts.map(lambda text: quote(text.encode("utf-8", "replace"), safe="")), min_size=1, max_size=6)

    @thorough
    @given(parts=segments, verb=st.sampled_from(["", "/abort", "/download", "/events", "/render"]))
    def holds(parts: list[str], verb: str) -> None:
        path = "/".join(part for part in parts if part not in (".", ".."))[:4000]
        sound(server.call("POST" if verb in ("/abort", "/render") else "GET", f"api/projects/{path}{verb}"))
        answer = sound(server.call("GET", site + path))
        assert answer.status_code in (302, 400, 404) or "text/html" in answer.headers["Content-Type"], path
        assert "root:" not in answer.text

    holds()
    for path in ("../" * 12 + "etc/passwd", "..%2f" * 12 + "etc%2fpasswd", "%2e%2e/" * 12 + "etc/passwd", "....//etc/passwd", "/etc/passwd"):
        raw = httpx.Request("GET", server.api + site, headers={"Authorization": f"token {server.token}"})
        raw.url = raw.url.copy_with(raw_path=raw.url.raw_path + path.encode())
        with httpx.Client(trust_env=False) as client:
            answer = client.send(raw)
        assert answer.status_code in (301, 302, 400, 403, 404), (path, answer.status_code)
        assert "root:" not in answer.text


def test_bodies_that_are_none(server: Server, sound: Any, thorough: settings) -> None:
    @thorough
    @given(content=st.one_of(st.binary(max_size=60), values.map(dumped), st.sampled_from([b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe{}", b"null"])))
    def holds(content: bytes) -> None:
        for path in ("api/generate", "api/estimate"):
            assert sound(server.call("POST", path, content=content)).status_code in (202, 400, 413), path

    holds()
