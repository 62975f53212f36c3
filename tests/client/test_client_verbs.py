"""Both clients against a real server: every verb, one way to name a variant, errors with advice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Server

from docsfy_jupyter import AsyncDocsfyClient, DocsfyClient, NotFound, connect, connect_async
from docsfy_jupyter.models import Status, VariantKey


@pytest.fixture
def client(shared_server: Server) -> Iterator[DocsfyClient]:
    with connect(shared_server.url, shared_server.token) as opened:
        yield opened


async def test_a_poll_of_an_unchanged_variant_brings_no_row(client: DocsfyClient, shared_repo: object) -> None:
    started = client.generate(shared_repo, model="pages=1", provider="fake", name="polled")
    client.wait(started, timeout=60)
    first = client.poll(started.key)
    assert first.variant is not None
    assert first.variant.status is Status.READY
    again = client.poll(started.key, first.etag)
    assert (again.variant, again.etag) == (None, first.etag)
    with pytest.raises(NotFound):
        client.poll(VariantKey("nobody", "main", "fake", "x", "me"), first.etag)
    async with connect_async(client.url, "test-token") as later:
        assert isinstance(later, AsyncDocsfyClient)
        assert (await later.poll(started.key, first.etag)).variant is None
        assert (await later.poll(started.key)).variant == first.variant
