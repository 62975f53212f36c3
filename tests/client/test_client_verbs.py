"""Both clients against a real server: every verb, and the one way to name a variant."""

from __future__ import annotations

import ast
import inspect
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Server

import docsfy_jupyter
from docsfy_jupyter import (
    AlreadyGenerating,
    Ambiguous,
    AsyncDocsfyClient,
    BadRequest,
    DocsfyClient,
    GenerationAborted,
    GenerationFailed,
    InvalidBody,
    NoSite,
    NotFound,
    NotGenerating,
    ProviderUnavailable,
    Variant,
    VariantKey,
    connect,
    connect_async,
)
from docsfy_jupyter.models import Status


@pytest.fixture
def client(shared_server: Server) -> Iterator[DocsfyClient]:
    with connect(shared_server.url, shared_server.token) as opened:
        yield opened


def made(client: DocsfyClient, repo: Path, name: str, model: str = "pages=1", **more: object) -> Variant:
    return client.wait(client.generate(repo, provider="fake", model=model, name=name, **more), timeout=60)


def test_the_two_clients_have_the_same_verbs_and_signatures() -> None:
    def verbs(kind: type) -> dict[str, str]:
        return {n: str(inspect.signature(f)) for n, f in vars(kind).items() if not n.startswith("_") and n not in ("close", "aclose")}

    assert verbs(DocsfyClient) == verbs(AsyncDocsfyClient)
    assert verbs(DocsfyClient)["get"].startswith("(self, /, variant: ")
    assert verbs(DocsfyClient)["get"].endswith("-> 'Variant'")
    assert (DocsfyClient.wait.__doc__ or "").startswith("Wait for the end of a run.")


def test_an_estimate_starts_nothing(client: DocsfyClient, demo_repo: Path) -> None:
    found = client.estimate(demo_repo, name="estimated", force=True)
    assert (found["ai_provider"], found["cost_usd"], found["free"]) == ("local", 0.0, True)
    assert client.list(q="estimated") == []
    with pytest.raises(BadRequest, match="two names"):
        client.estimate(demo_repo, provider="local", ai_provider="local")


def test_every_public_name_loads_and_has_a_type() -> None:
    assert all(getattr(docsfy_jupyter, name) is not None for name in docsfy_jupyter.__all__)
    (typed,) = (node for node in ast.parse(inspect.getsource(docsfy_jupyter)).body if isinstance(node, ast.If))
    assert {alias.name for node in typed.body for alias in node.names} == set(docsfy_jupyter._LAZY)
    assert set(docsfy_jupyter._LAZY) <= set(docsfy_jupyter.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        docsfy_jupyter.nothing  # noqa: B018


async def test_a_poll_of_an_unchanged_variant_brings_no_row(client: DocsfyClient, shared_repo: Path) -> None:
    ready = made(client, shared_repo, "polled")
    first = client.poll(ready.key)
    assert first.variant == ready
    again = client.poll(ready.key, first.etag)
    assert (again.variant, again.etag) == (None, first.etag)
    assert client.poll(ready, first.etag, hold=1).variant is None
    with pytest.raises(NotFound):
        client.poll(VariantKey("nobody", "main", "fake", "x", "me"), first.etag)
    async with connect_async(client.url, "test-token") as later:
        assert (await later.poll(ready.key, first.etag)).variant is None
        assert (await later.poll(ready.key)).variant == ready


async def test_the_awaited_client_does_all_that_the_blocking_one_does(shared_server: Server, shared_repo: Path, tmp_path: Path) -> None:
    async with connect_async(shared_server.url, shared_server.token) as client:
        rows: list[Variant] = []
        started = await client.generate(repo_path=str(shared_repo), ai_provider="fake", ai_model="pages=2", name="later", branch="main")
        assert started.status is Status.GENERATING
        ready = await client.wait(started, timeout=60, on_change=rows.append)
        assert ready == rows[-1] == await client.get("later")
        assert (await client.list(q="later/", status="ready"))[0].key == ready.key
        assert [row.key for row in await client.variants("later")] == [ready.key]
        events = await client.events(ready)
        assert (await client.events(ready, after=events[0]["seq"]))[0] == events[1]
        archive = await client.download(ready, target=tmp_path)
        assert archive == tmp_path / "later-main-fake-pages-2.tar.gz"
        with pytest.raises(BadRequest, match=r"exists already; name another file, or allow to replace it \(overwrite=True\)"):
            await client.download("later", "fake", "pages=2", target=tmp_path)
        assert await client.download("later", "fake", "pages=2", target=tmp_path, overwrite=True) == archive
        with pytest.raises(BadRequest, match="nowhere is no folder"):
            await client.download(ready, target=tmp_path / "nowhere" / "x.tar.gz")
        assert [path.name for path in tmp_path.iterdir()] == [archive.name]
        with tarfile.open(archive) as tar:
            assert tar.getnames()[0].startswith("later-main-fake-pages")
        assert (await client.render("later")).status is Status.READY
        assert "fake" in (await client.models())["providers"]
        assert (await client.runs(name="later"))["total"] == 1
        with pytest.raises(NotGenerating, match="ready"):
            await client.abort(ready)
        await client.delete(ready)
        with pytest.raises(NotFound):
            await client.get(ready)


@pytest.mark.parametrize("form", ["row", "key", "address", "three parts", "name", "parts", "parts and branch", "name and provider"])
def test_a_variant_is_named_in_any_of_the_documented_ways(client: DocsfyClient, shared_repo: Path, form: str) -> None:
    model = "org/model:8b[1m],pages=1"
    if not client.list(q="named/"):
        made(client, shared_repo, "named", model)
    (row,) = client.variants("named")
    named: dict[str, tuple[tuple[object, ...], dict[str, str]]] = {
        "row": ((row,), {}), "key": ((row.key,), {}), "address": ((f"named/main/fake/{model}",), {}),
        "three parts": ((f"named/fake/{model}",), {}), "name": (("named",), {}), "parts": (("named", "fake", model), {}),
        "parts and branch": (("named", "fake", model), {"branch": "main"}), "name and provider": (("named", "fake"), {}),
    }  # fmt: skip
    args, more = named[form]
    assert client.get(*args, **more).key == row.key
    assert client.poll(args[0] if form != "parts" else row).variant is not None


def test_what_is_left_out_must_not_leave_a_choice(client: DocsfyClient, shared_repo: Path) -> None:
    made(client, shared_repo, "choice", "pages=1")
    made(client, shared_repo, "choice", "pages=2")
    with pytest.raises(Ambiguous, match="name one of: choice/main/fake/pages=1, choice/main/fake/pages=2") as error:
        client.get("choice")
    assert error.value.details["candidates"] == ["choice/main/fake/pages=1", "choice/main/fake/pages=2"]
    assert client.get("choice", model="pages=2").ai_model == "pages=2"
    with pytest.raises(NotFound, match="no variant choice"):
        client.get("choice", model="pages=3")
    with pytest.raises(NotFound, match="'not-there'"):
        client.delete("not-there")


def test_every_refusal_has_its_own_class(client: DocsfyClient, shared_repo: Path) -> None:
    with pytest.raises(ProviderUnavailable):
        client.generate(shared_repo, provider="none-such")
    with pytest.raises(InvalidBody) as error:
        client.generate(shared_repo, name="../x", branch="")
    assert len(error.value.details["faults"]) == 2
    with pytest.raises(BadRequest, match="Two repositories were named; pass one, as repo"):
        client.generate(shared_repo, repo_url="https://example.org/x")
    with pytest.raises(BadRequest, match="ai_model was passed under two names"):
        client.generate(shared_repo, model="a", ai_model="b")


def test_a_refusal_is_told_in_the_words_that_the_caller_used(client: DocsfyClient, shared_repo: Path) -> None:
    for verb in (client.generate, client.estimate):
        with pytest.raises(BadRequest, match=r"^No repository was named: give a URL"):
            verb(None)
        with pytest.raises(BadRequest, match=r"^The repository /nonexist does not exist on the server\.$"):
            verb("/nonexist")
        with pytest.raises(InvalidBody, match=r"^repo: String should have at most 4000 characters; provider: '\.\.' cannot be part"):
            verb("/" + "x" * 4000, provider="..")
        with pytest.raises(InvalidBody, match=r"^ai_provider: '\.\.' cannot be part"):
            verb(shared_repo, ai_provider="..")


def test_a_run_that_fails_is_raised_with_its_row_and_has_no_site(client: DocsfyClient, shared_repo: Path, tmp_path: Path) -> None:
    started = client.generate(shared_repo, provider="fake", model="pages=1,fail=page-1,plansleep=1", name="failing")
    with pytest.raises(AlreadyGenerating):
        client.generate(shared_repo, provider="fake", model="pages=1,fail=page-1,plansleep=1", name="failing")
    with pytest.raises(GenerationFailed, match=r"failing/main/fake/.*1 of 1 pages failed") as error:
        client.wait(started, timeout=90)
    assert error.value.details["variant"].status is Status.ERROR
    (tmp_path / "old.tar.gz").write_text("the one before")
    with pytest.raises(NoSite):
        client.download(started, target=tmp_path / "old.tar.gz", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old.tar.gz"]
    assert (tmp_path / "old.tar.gz").read_text() == "the one before"


def test_an_abort_ends_a_wait_elsewhere_and_a_wait_has_a_limit(client: DocsfyClient, shared_repo: Path) -> None:
    started = client.generate(shared_repo, provider="fake", model="pages=1,sleep=60", name="stopped")
    with pytest.raises(TimeoutError, match=r"stopped/main/fake/pages=1,sleep=60 is still generating \(.*\) after 0.5 s"):
        client.wait(started, timeout=0.5)
    ended: list[BaseException] = []

    def wait() -> None:
        with connect(client.url, "test-token") as other:
            try:
                other.wait("stopped")
            except GenerationAborted as error:
                ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    assert client.abort("stopped").status is Status.ABORTED
    waiting.join(30)
    assert isinstance(ended[0], GenerationAborted)
    assert ended[0].details["variant"].error_message == "Generation aborted by user"
