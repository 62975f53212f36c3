"""A slow program as a provider; its children have children. The model's name steers it: ``pages=4,sleep=0.2,fail=page-2``.

``hold=plan`` or ``hold=page-3`` waits there as long as the file named by ``XDG_DOCSFY_GATE`` exists (the prefix is one that
children inherit); ``late=1`` answers a TERM with its page a second later; ``big=1`` writes pages that take long to render;
``texts=name`` prints what the folder of that name below ``XDG_DOCSFY_TEXTS`` has: ``plan`` and a file for each slug;
``mention=name`` has every page mention a function of that name. Each call leaves a file ``….call`` in the folder that
``XDG_DOCSFY_CALLS`` names, if it names one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

options = dict(part.split("=", 1) for part in os.environ["DOCSFY_MODEL"].split(",") if "=" in part)
purpose, slug = os.environ["DOCSFY_PURPOSE"], os.environ["DOCSFY_SLUG"]
sys.stdin.read()
if os.environ.get("XDG_DOCSFY_CALLS"):
    call, _ = tempfile.mkstemp(".call", f"{purpose}-{slug}-", os.environ["XDG_DOCSFY_CALLS"])
    os.close(call)
if options.get("children"):
    subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"])
if options.get("late"):
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), print("# late\n\nText.", flush=True), os._exit(0)))
while options.get("hold") == (slug or purpose) and os.path.exists(os.environ.get("XDG_DOCSFY_GATE", "")):
    time.sleep(0.02)
time.sleep(float(options.get("plansleep" if purpose == "plan" else "sleep", "0")))
if options.get("texts"):
    sys.stdout.buffer.write((Path(os.environ["XDG_DOCSFY_TEXTS"]) / options["texts"] / (slug or "plan")).read_bytes())
elif purpose == "plan":
    pages = [
        {"slug": f"page-{i}", "title": f"{options.get('title', 'Page')} {i}", "sources": ["README.md"]}
        for i in range(1, int(options.get("pages", "3")) + 1)
    ]
    print(json.dumps({"project_name": "demo", "navigation": [{"group": "All", "pages": pages}]}))
elif options.get("fail") == slug:
    print("the fake failed", file=sys.stderr)
    sys.exit(1)
else:
    named = f"\n\nCall `{options['mention']}()`." if options.get("mention") else ""
    print(f"# {slug}\n\nText of {slug}." + named + "\n\n- a *list* of `things`" * (20_000 if options.get("big") else 0))
