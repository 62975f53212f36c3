"""What a model or a repository may say: pages and plans that try to run a script, plans and `.docsfy.yaml` that are none."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from agents import Agents
from invariants import settle
from payloads import page
from servers import Server, await_health, commit, end, git, launch, make_demo_repo

ON_A_PAGE = 60
FIRE = """() => {
  for (const element of document.querySelectorAll('article.text *, .diagram *'))
    for (const kind of ['click', 'mouseover', 'focus', 'toggle', 'load', 'error', 'pointerenter', 'wheel', 'animationstart'])
      if (!(kind === 'click' && element.closest('a[href^="http"], a[href^="//"]')))
        element.dispatchEvent(new Event(kind, {bubbles: false, cancelable: true}));
}"""
PLANS = {
    "none": b"", "text": b"no plan", "list": b"[1, 2]", "deep": b"[" * 50_000, "binary": b"\xff\xfe\x00{}", "nan": b'{"navigation": NaN}',
    "empty": b'{"navigation": []}', "nogroups": b'{"navigation": [{"group": "G", "pages": []}]}',
    "wrong": b'{"navigation": [{"group": 5, "pages": [{"slug": [], "title": {}}]}]}',
    "odd": json.dumps({"project_name": "../..", "navigation": [{"group": "<script>window.pwned=1</script>", "pages": [
        {"slug": slug, "title": "<img src=x onerror=window.pwned=1>", "description": "\u202e{{7*7}}", "sources": ["../../../etc/passwd", "/etc/passwd", "\0"]}
        for slug in ("../../../outside", "..", "/etc/x", "a/b", "A B", "index", "index", "404", "assets", "con", "x" * 400, "\u00fc\u202e", "", "search")
    ]}]}).encode(),
}  # fmt: skip
STEERING = {
    "tag": "!!python/object/apply:os.system ['touch outside']", "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\ninstructions: [*b,*b,*b,*b,*b,*b,*b,*b]",
    "wrong": "pages: 5\ninclude: {a: b}\n", "paths": "pages:\n- {slug: ../../outside, title: T, sources: [../../../etc/passwd, /etc/passwd]}\ninclude: ['../**', '/etc/*', '[', '(((']\n",
    "regex": "exclude: ['" + "*a" * 60 + "b']\n", "binary": "\x01\x02", "deep": "[" * 5000, "self": "&a {instructions: *a}", "date": "instructions: 2001-01-01\n1: 2\n",
}  # fmt: skip


@dataclass
class Canary:
    """A host that no page may ask."""

    address: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Canary]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            canary.asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        canary = Canary(f"http://127.0.0.1:{server.server_address[1]}/")
        Thread(target=server.serve_forever, daemon=True).start()
        yield canary
        server.shutdown()


@dataclass
class Writer:
    """A server whose providers say what the test wrote."""

    server: Server
    repo: Path
    texts: Path
    home: Path

    def start(self, model: str, provider: str = "fake", branch: str = "main") -> str:
        """Start a run; returns the path of its variant without its kind."""
        body = {"repo_path": str(self.repo), "name": "bad", "branch": branch, "provider": provider, "model": model}
        answer = self.server.call("POST", "api/generate", json=body)
        assert answer.status_code == 202, answer.text
        return f"bad/{quote(branch, safe='')}/{provider}/{quote(model, safe='')}"


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    """One server for the file."""
    home = tmp_path_factory.mktemp("bad-pages")
    agents = Agents(home / "agents")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DOCSFY_TEXTS", str(home / "texts"))
        patch.setenv("XDG_FAKE_AGENT", str(agents.folder))
        patch.setenv("PATH", str(agents.bin), prepend=":")
        server = launch(home)
    await_health(server)
    yield Writer(server, make_demo_repo(home), home / "texts", home)
    end(server)


def sound(writer: Writer) -> list[dict[str, Any]]:
    """Return the rows, all ended, with a reason where they failed that is not a mistake of ours; nothing was written elsewhere."""
    rows = settle(writer.server)
    assert [row for row in rows if "Internal error" in (row["error_message"] or "")] == []
    assert "Traceback" not in writer.server.log.read_text("utf-8", "replace")
    own = (writer.server.data_dir, writer.texts, writer.repo / ".git")
    assert [path for path in writer.home.rglob("*outside*") if not any(one in path.parents for one in own)] == []
    assert not Path("outside").exists()
    return rows


def write(writer: Writer, name: str, files: dict[str, str | bytes]) -> str:
    """Have the fake say these texts; returns its model."""
    folder = writer.texts / name
    folder.mkdir(parents=True)
    for slug, text in files.items():
        (folder / slug).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return f"texts={name}"


def plan_of(slugs: list[str], words: str = "Page") -> str:
    pages = [{"slug": slug, "title": f"{words} {slug}", "description": words, "sources": ["README.md"]} for slug in slugs]
    return json.dumps({"project_name": words, "tagline": words, "navigation": [{"group": words, "pages": pages}]})


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_no_script_runs_and_no_host_is_asked_whatever_a_page_says(writer: Writer, seen: Any, request: pytest.FixtureRequest) -> None:
    count, seed = max(4, request.config.getoption("examples") // 10), request.config.getoption("seed")
    print(f"repeat with --examples {count * 10} --seed {seed}")
    dice = random.Random(seed)
    slugs = [f"p{number}" for number in range(count)]
    with listening() as canary:
        words = f"<img src={canary.address}t onerror=window.pwned=1>'\"><script>window.pwned=1</script>"
        texts = {slug: page(dice, number * ON_A_PAGE, ON_A_PAGE, canary.address) for number, slug in enumerate(slugs)}
        path = writer.start(write(writer, "hostile", {"plan": plan_of(slugs, words), **texts}))
        row = writer.server.ended(f"api/projects/{path}", 300)
        assert row["status"] == "ready", row
        dialogs: list[str] = []
        seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        site = next((writer.server.data_dir / "variants").glob("bad-main-fake-texts-hostile-*/sites/v-*"))
        served = f"{writer.server.api}docs/{path}/"
        seen.page.goto(f"{writer.server.url}docsfy/?token={writer.server.token}")
        # from the disk there is no policy: what holds there is the sanitiser alone
        for base in (site.as_uri() + "/", served):
            for name in ("index", *slugs):
                seen.page.goto(f"{base}{name}.html", wait_until="load")
                seen.page.evaluate(FIRE)
                seen.page.wait_for_timeout(50)
                for frame in seen.page.frames:
                    assert frame.evaluate("window.pwned") is None, f"{base}{name} runs attempt {frame.evaluate('window.pwned')}"
                assert seen.page.url.startswith(base), (name, seen.page.url)
                if name != "index":
                    assert "The end of the page." in seen.page.content(), name
        for where in (f"docsfy/status/{path}", "docsfy/"):
            seen.page.goto(f"{writer.server.url}{where}", wait_until="load")
            seen.page.wait_for_timeout(500)
            assert seen.page.evaluate("window.pwned") is None, where
        assert (canary.asked, dialogs, len(seen.page.context.pages)) == ([], [], 1)
    sound(writer)


def test_plans_that_are_none_or_lead_elsewhere_are_repaired_or_refused(writer: Writer) -> None:
    texts = {slug: f"# {slug}\n\nText.\n" for slug in ("index", "404", "assets", "con", "a-b", "etc-x", "outside", "search")}
    for name, plan in PLANS.items():
        writer.start(write(writer, f"plan-{name}", {"plan": plan, **texts}))
    rows = [row for row in sound(writer) if row["ai_model"].startswith("texts=plan-")]
    assert len(rows) == len(PLANS)
    assert {row["ai_model"] for row in rows if row["status"] != "error"} <= {"texts=plan-odd"}
    assert all(row["error_message"] for row in rows if row["status"] == "error")


@pytest.mark.parametrize("provider", ["claude", "local"])
def test_a_repository_whose_docsfy_yaml_is_hostile_is_refused_with_a_sentence_or_documented(writer: Writer, provider: str) -> None:
    for name, text in STEERING.items():
        if f"steer-{name}" not in git(writer.repo, "branch", "--format=%(refname:short)").split():
            git(writer.repo, "checkout", "-q", "-B", f"steer-{name}", "main")
            commit(writer.repo, {".docsfy.yaml": text + "\n"})
        writer.start("static" if provider == "local" else "m", provider, f"steer-{name}")
    git(writer.repo, "checkout", "-q", "main")
    rows = [row for row in sound(writer) if row["ai_provider"] == provider]
    assert len(rows) == len(STEERING)
    for row in rows:
        assert row["status"] == "ready" or ".docsfy.yaml" in row["error_message"], row
    if provider == "claude":
        assert {row["branch"] for row in rows if row["status"] == "error"} >= {"steer-tag", "steer-wrong", "steer-binary", "steer-deep"}


def test_pages_of_any_bytes_are_rendered(writer: Writer, request: pytest.FixtureRequest) -> None:
    dice = random.Random(request.config.getoption("seed"))
    pieces = [bytes(dice.randrange(256) for _ in range(40)), "\u202e\u0000\ufeff\U0001f600".encode(), b"[" * 3000, b"> " * 400 + b"x", b"*" * 5000, b"`" * 999, b"|" * 2000 + b"\n|-|-|\n", b"<" * 4000, b"&" * 500, b"[^1]" * 500, b"# " + b"x" * 9000, b"- " * 900 + b"a", b"\xed\xa0\x80", b"![" * 1500]  # fmt: skip
    count = max(6, request.config.getoption("examples") // 20)
    slugs = [f"b{number}" for number in range(count)]
    texts = {slug: b"# T\n\n" + b"\n\n".join(dice.sample(pieces, 5)) for slug in slugs}
    path = writer.start(write(writer, "bytes", {"plan": plan_of(slugs), **texts}))
    row = writer.server.ended(f"api/projects/{path}", 300)
    assert (row["status"], row["page_count"]) == ("ready", count), row
    sound(writer)
