"""The vendors' programs, faked: which one this is says the name it is started under.

It writes what it was given (argv, environment, stdin, working directory) into the folder that ``XDG_FAKE_AGENT`` names, refuses
options that the real program does not know, and does what ``steer.json`` there says for the call's turn: ``{"plan": [act, …],
"Page 3": [act, …], "*": [act, …]}``. The last act of a list repeats. An act may have: ``say`` or ``raw`` (an answer, or bytes in
place of the envelope), ``error`` and ``status``, ``stderr``, ``exit``, ``sleep``, ``wait`` (until the file is gone), ``flood`` (bytes
on both pipes before the answer), ``gossip`` (add all that the environment has, to the answer and to stderr), ``children``, ``deaf`` (to TERM), ``write`` (a file to write, as an obedient agent would).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAME = Path(sys.argv[0]).name
# from each program's own --help (Cursor's from its documentation): option → how many values
OPTIONS = {
    "claude": {
        **dict.fromkeys(("-p", "--print", "--bare", "--verbose", "--strict-mcp-config", "--disable-slash-commands"), 0),
        **dict.fromkeys(("--no-session-persistence", "--safe-mode"), 0),
        **dict.fromkeys(("--output-format", "--model", "--tools", "--permission-mode", "--setting-sources", "--settings"), 1),
        **dict.fromkeys(("--max-budget-usd", "--json-schema", "--mcp-config", "--append-system-prompt"), 1),
    },
    "gemini": {
        **dict.fromkeys(("-d", "--debug", "--skip-trust", "-s", "--sandbox", "-y", "--yolo"), 0),
        **dict.fromkeys(("-m", "--model", "-p", "--prompt", "-o", "--output-format", "--approval-mode", "-e", "--policy"), 1),
    },
    "cursor-agent": {
        **dict.fromkeys(("-p", "--print", "-f", "--force", "--trust", "--approve-mcps"), 0),
        **dict.fromkeys(("--output-format", "--model", "--mode", "--api-key", "--workspace", "--sandbox"), 1),
    },
}


def main() -> int:
    """Play one call."""
    prompt = sys.stdin.buffer.read().decode()
    unknown = unknown_option(sys.argv[1:], OPTIONS[NAME])
    folder = Path(os.environ["XDG_FAKE_AGENT"])
    about = re.search(r"^Title: (.*)$", prompt, re.MULTILINE)
    turn = about[1] if about else "plan"
    number = record(folder, turn, prompt)
    if unknown is not None:
        print(f"error: unknown option '{unknown}'", file=sys.stderr)
        return 1
    steer = json.loads((folder / "steer.json").read_text())
    acts = steer.get(turn) or steer.get("*") or [{}]
    act = acts[min(number, len(acts) - 1)]
    disturb(act)
    return answer(act, turn, int(steer.get("pages", 3)))


def unknown_option(words: list[str], known: dict[str, int]) -> str | None:
    """Return the first word that is no option and no option's value."""
    rest = iter(words)
    for word in rest:
        if word not in known:
            return word
        for _ in range(known[word]):
            next(rest)
    return None


def record(folder: Path, turn: str, prompt: str) -> int:
    """Write what this call was given; return how many calls of its turn there were before."""
    given = {"program": NAME, "argv": sys.argv[1:], "env": dict(os.environ), "stdin": prompt, "cwd": os.getcwd(), "turn": turn}
    given["seen"] = sorted(str(path) for path in Path().rglob("*") if path.is_file() and path.parts[0] != ".git")
    whole = folder / f"{os.getpid()}.part"  # a reader must never see half of it
    whole.write_text(json.dumps({**given, "at": time.time()}))
    number = 0
    while True:
        try:
            os.link(whole, folder / f"{turn.replace(' ', '_')}.{number}.call")
            return number
        except FileExistsError:
            number += 1


def disturb(act: dict[str, Any]) -> None:
    """Do what comes before the answer."""
    if act.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if act.get("children"):
        subprocess.Popen(["sh", "-c", "sleep 300 & setsid sleep 300"])
    if act.get("write"):
        Path(act["write"]).expanduser().write_text("written by the agent")
    while act.get("wait") and os.path.exists(act["wait"]):
        time.sleep(0.02)
    time.sleep(act.get("sleep", 0))
    flood = b"noise " * 1024
    for _ in range(act.get("flood", 0) // len(flood)):
        sys.stdout.buffer.write(flood)
        sys.stderr.buffer.write(flood)
    sys.stdout.write("\n" if act.get("flood") else "")
    print(act.get("stderr", ""), file=sys.stderr)


def answer(act: dict[str, Any], turn: str, pages: int) -> int:
    """Print the envelope of this vendor."""
    if "raw" in act:
        sys.stdout.write(act["raw"])
        return int(act.get("exit", 0))
    text = act.get("say", plan_text(pages) if turn == "plan" else f"# {turn}\n\nText of {turn}.\n")
    failed = "error" in act
    text = act.get("error", text)
    if act.get("gossip"):
        known = " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))
        text, _ = f"{text} {known}", print(known, file=sys.stderr)
    if NAME == "claude":
        usage = {"inputTokens": 100, "outputTokens": 20, "cacheReadInputTokens": 50, "cacheCreationInputTokens": 5}
        envelope: dict[str, Any] = {
            "type": "result",
            "subtype": "success",
            "is_error": failed,
            "api_error_status": act.get("status"),
            "result": text,
        }
        envelope |= {"total_cost_usd": act.get("cost", 0.25), "modelUsage": {"a": usage, "b": usage}}
        print(json.dumps([{"type": "system"}, envelope] if act.get("verbose") else envelope))
    elif NAME == "gemini":
        tokens = {"prompt": 100, "candidates": 20, "thoughts": 3, "cached": 50, "total": 123}
        said = {"error": {"type": "Error", "message": text, "code": act.get("status", 1)}} if failed else {"response": text}
        envelope = {"session_id": "s", **said, "stats": {"models": {"m": {"tokens": tokens}}}}
        print(json.dumps(envelope, indent=2), file=sys.stderr if failed else sys.stdout)  # as the real one does
    else:
        usage = {"inputTokens": 100, "outputTokens": 20, "cacheReadTokens": 50, "cacheWriteTokens": 5}
        print(json.dumps({"type": "result", "subtype": "success", "is_error": failed, "result": text, "usage": usage}))
    return int(act.get("exit", 1 if failed else 0))


def plan_text(pages: int) -> str:
    """Return a plan."""
    entries = [
        {"slug": f"page-{n}", "title": f"Page {n}", "description": "", "sources": ["README.md"]} for n in range(1, pages + 1)
    ]
    return json.dumps({"project_name": "demo", "tagline": "", "navigation": [{"group": "All", "pages": entries}]})


if __name__ == "__main__":
    sys.exit(main())
