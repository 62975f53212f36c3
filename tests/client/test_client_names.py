"""What the client says of a variant that is not there, of what names none, and after it was closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import Server

from docsfy_jupyter import ClientError, DocsfyClient, NotFound, connect, connect_async
from docsfy_jupyter.errors import BadRequest


@pytest.fixture(scope="module")
def client(shared_server: Server, shared_repo: Path) -> Iterator[DocsfyClient]:
    with connect(shared_server.url, shared_server.token) as client:
        client.wait(client.generate(shared_repo, provider="fake", model="pages=1", name="nearby"), timeout=90)
        yield client


NEAR: dict[str, tuple[Callable[[DocsfyClient], object], str]] = {
    "project": (lambda c: c.get("nearbi"), "There is no project 'nearbi'. Did you mean nearby?"),
    "provider": (lambda c: c.get("nearby", "local"), "There is no variant nearby, provider local. There is: nearby/main/fake/pages=1."),
    "branch": (
        lambda c: c.abort("nearby/main/fake/pages=1", branch="dev"),
        "There is no variant nearby/main/fake/pages=1, branch dev. There is: nearby/main/fake/pages=1.",
    ),
    "variant": (lambda c: c.get("nearby", "fake", "pages=2"), "There is no variant nearby/fake/pages=2. Did you mean nearby/main/fake/pages=1?"),
    "only the name is another": (
        lambda c: c.get("qqqqqq", "fake", "pages=1"),
        "There is no variant qqqqqq/fake/pages=1; client.list(), `jupyter docsfy list` and GET api/projects name all that there are.",
    ),
    "nothing near": (
        lambda c: c.delete("zzzzzz", "local", "static"),
        "There is no variant zzzzzz/local/static; client.list(), `jupyter docsfy list` and GET api/projects name all that there are.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "sentence"), NEAR.values(), ids=NEAR)
def test_what_is_not_there_is_said_with_what_is(client: DocsfyClient, ask: Callable[[DocsfyClient], object], sentence: str) -> None:
    with pytest.raises(NotFound) as missing:
        ask(client)
    assert missing.value.message == sentence


@pytest.mark.parametrize("thing", [3, None, {"name": "nearby"}, "", " "])
def test_what_names_no_variant_is_refused_in_a_sentence(client: DocsfyClient, thing: object) -> None:
    sentence = "A variant is named by its row, its VariantKey or a text like 'name' or 'name/provider/model', not by "
    for verb in (client.get, client.wait, client.abort, client.download, client.delete):
        with pytest.raises(BadRequest) as refused:
            verb(thing)  # type: ignore[arg-type]
        assert refused.value.message == f"{sentence}{thing!r}."


async def test_a_closed_client_says_that_it_is_closed(shared_server: Server) -> None:
    sentence = "^This client is closed; make a new one with connect"
    with connect(shared_server.url, shared_server.token) as client:
        client.health()
    with pytest.raises(ClientError, match=sentence):
        client.list()
    async with connect_async(shared_server.url, shared_server.token) as later:
        await later.health()
    with pytest.raises(ClientError, match=sentence):
        await later.list()
