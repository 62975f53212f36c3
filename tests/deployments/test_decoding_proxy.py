"""A proxy that hands on ``%2F`` in paths as a slash: branches and models with slashes are still reached, by all clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Seen
from commands import run
from relay import Relay, relay_to
from servers import Server
from walking import Walk, path_of

from docsfy_jupyter import connect
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.server.addressing import Address, named_by

MODEL = "pages=2,x=org/model"
ADDRESS = f"walk/feature/x/fake/{MODEL}"


@pytest.fixture(scope="module")
def proxy(walk: Walk) -> Iterator[Relay]:
    """The way to a server that has one variant with slashes in both, besides the others."""
    assert walk.generate(name="walk", branch="feature/x", model=MODEL).status_code == 202
    assert walk.server.ended(path_of("walk", "feature/x", "fake", MODEL))["status"] == "ready"
    with relay_to(walk.server.url) as way:
        way.decodes = True
        yield way


def test_the_client_reaches_the_variant_in_every_way(proxy: Relay, shared_server: Server, tmp_path: Path) -> None:
    with connect(proxy.url, shared_server.token) as client:
        row = client.get("walk", "fake", MODEL, branch="feature/x")
        assert row.address == ADDRESS
        assert client.get(ADDRESS) == row
        assert client.render(row).address == ADDRESS
        assert client.download(row, target=tmp_path / "site.tar.gz").stat().st_size > 1000
        assert client.events(row)
        again = client.wait(client.generate(row.repo_url, name="walk", branch="feature/x", provider="fake", model=MODEL))
        assert again.address == ADDRESS


def test_the_command_line_reaches_it_and_its_link_opens(proxy: Relay, shared_server: Server, tmp_path: Path) -> None:
    named = ["walk", "fake", MODEL, "--branch", "feature/x"]
    where = ["--url", proxy.url, "--token", shared_server.token]
    told = run(tmp_path, "status", *named, *where)
    assert told.returncode == 0, told.stderr
    link = told.stdout.partition("The site: ")[2].split()[0]
    page = shared_server.call("GET", link.removeprefix(f"{proxy.url}docsfy/").replace("%2F", "/"))
    assert (page.status_code, "Text of page-1" in page.text or "Page 1" in page.text) == (200, True)
    listed = run(tmp_path, "list", "--json", *where)
    assert ADDRESS in {
        "/".join((r["name"], r["branch"], r["ai_provider"], r["ai_model"])) for r in json.loads(listed.stdout)["projects"]
    }


@pytest.mark.browser
def test_the_status_page_and_its_links_reach_it(proxy: Relay, shared_server: Server, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{proxy.url}api/status?token={shared_server.token}")  # logs the browser in
    page.goto(f"{proxy.url}docsfy/status/walk/feature%2Fx/fake/{MODEL.replace('/', '%2F')}")
    page.wait_for_selector(".docsfy-panel[data-state='ready']")
    assert page.locator(".docsfy-ref").inner_text() == f"feature/x · fake/{MODEL}"
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename.startswith("walk-feature-x-fake-")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="View documentation").click()
    site = opened.value
    site.get_by_role("link", name="Page 2").first.click()
    site.get_by_text("Text of page-2.").wait_for()
    assert site.url.endswith("page-2.html")
    assert any(path.startswith("/docsfy/docs/walk/feature%2Fx/") for _, _, path, _ in proxy.requests)


def variant(branch: str, model: str, provider: str = "p") -> Variant:
    return Variant("n", branch, provider, model, "me", "/r", Status.READY, "", "")


@pytest.mark.parametrize(
    ("path", "wanted", "rest"),
    [
        ("n/main/p/m/index.html", ("main", "p", "m"), ["index.html"]),
        ("n/p/m/sub/page.html", (None, "p", "m"), ["sub", "page.html"]),
        ("n/feature/x/p/m", ("feature/x", "p", "m"), []),
        ("n/feature/x/p/org/m/", ("feature/x", "p", "org/m"), [""]),
        ("n/p/org/m/a.html", (None, "p", "org/m"), ["a.html"]),
        ("n/main/p/mm/a.html", None, None),
        ("n/feature", None, None),
        ("n", None, None),
    ],
)
def test_the_longest_address_that_exists_is_meant(
    path: str, wanted: tuple[str | None, ...] | None, rest: list[str] | None
) -> None:
    feed = ChangeFeed()
    for row in (variant("main", "m"), variant("feature/x", "m"), variant("feature/x", "org/m")):
        feed.put(row)
    found = named_by(feed, path.split("/"))
    if wanted is None:
        assert found is None
    else:
        assert found == (Address("n", wanted[1] or "", wanted[2] or "", wanted[0]), rest)
