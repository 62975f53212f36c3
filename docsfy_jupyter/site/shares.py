"""The pages of a large site, read and written by several processes at once."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.processors import usable_processors
from docsfy_jupyter.site.article import Article, Outline, draft, write
from docsfy_jupyter.site.jobs import SitePage
from docsfy_jupyter.site.links import Links
from docsfy_jupyter.site.written import Written, WrittenPages

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess  # not there on Windows

_WORTH = 200_000  # characters; they take half a second, and a process to share them with some milliseconds
_MOST = 4

Text = tuple[SitePage, str]


class Shares:
    """Processes that have read the same number of pages each, and write them once they are told where links may lead.

    Parameters
    ----------
    connections : sequence of Connection
        To the processes.
    places : mapping
        Slug to the number of its process.
    """

    def __init__(self, connections: Sequence[Connection], places: Mapping[str, int]) -> None:
        self._connections = connections
        self._places = places

    def outlines(self) -> dict[str, Outline]:
        """Return what other pages must know of those that are shared out.

        Raises
        ------
        RuntimeError
            A process died.
        """
        return {slug: outline for connection in self._connections for slug, outline in _received(connection).items()}

    def begin(self, links: Links) -> None:
        """Have all pages written."""
        for connection in self._connections:
            connection.send(links)

    def written(self, slug: str) -> Written:
        """Return a page; those of a process are asked for in the order in which it was given them.

        Raises
        ------
        RuntimeError
            A process died.
        """
        made: Written = _received(self._connections[self._places[slug]])
        return made


@contextmanager
def shared_out(texts: Sequence[Text], earlier: WrittenPages) -> Iterator[Shares]:
    """Share pages out among processes, none where that is not worth it or processes cannot be forked; all are dead after it."""
    count = _processors() if sum(len(text) for _, text in texts) >= _WORTH else 0
    shares = [texts[number::count] for number in range(count)] if count > 1 else []
    processes: list[ForkProcess] = []
    connections: list[Connection] = []
    try:
        try:
            for share in shares:
                _start(share, earlier, processes, connections)
        except OSError:  # a container's limit of processes, say: this one makes the pages by itself
            _end(processes, connections)
            shares = []
        yield Shares(connections, {page.slug: number for number, share in enumerate(shares) for page, _ in share})
    finally:
        _end(processes, connections)


def _start(
    share: Sequence[Text],
    earlier: WrittenPages,
    processes: list[ForkProcess],
    connections: list[Connection],
) -> None:
    ours, theirs = multiprocessing.Pipe()
    connections.append(ours)
    process = multiprocessing.get_context("fork").Process(target=_make, args=(theirs, share, earlier))
    try:
        process.start()
    finally:
        theirs.close()  # so that the end of the process is the end of the pipe
    processes.append(process)


def _end(processes: list[ForkProcess], connections: list[Connection]) -> None:
    for process in processes:
        process.terminate()
        process.join()
    for connection in connections:
        connection.close()
    processes.clear()
    connections.clear()


def _processors() -> int:
    """Return how many processes are of use; without `fork` each would import everything anew."""
    return min(_MOST, usable_processors()) if sys.platform == "linux" else 0


def _make(connection: Connection, texts: Sequence[Text], earlier: WrittenPages) -> None:
    """Read pages, tell their outlines, and write them: what a process does."""
    articles = [Article(page, text, draft(page, text)) for page, text in texts]
    made = {article.plan.slug: article.made for article in articles}
    connection.send({slug: Outline(one.head, one.anchors, one.diagrams) for slug, one in made.items()})
    links = connection.recv()
    for article in articles:
        connection.send(write(article, links, earlier))


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        # nobody catches it: this process ends with what that one said
        raise RuntimeError("A process that renders pages of the site died") from None
