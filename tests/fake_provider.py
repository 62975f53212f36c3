"""A slow program as a provider; its children have children. The model's name steers it: ``pages=4,sleep=0.2,fail=page-2``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

options = dict(part.split("=", 1) for part in os.environ["DOCSFY_MODEL"].split(",") if "=" in part)
purpose, slug = os.environ["DOCSFY_PURPOSE"], os.environ["DOCSFY_SLUG"]
sys.stdin.read()
if options.get("children"):
    subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"])
time.sleep(float(options.get("plansleep" if purpose == "plan" else "sleep", "0")))
if purpose == "plan":
    pages = [
        {"slug": f"page-{i}", "title": f"Page {i}", "sources": ["README.md"]}
        for i in range(1, int(options.get("pages", "3")) + 1)
    ]
    print(json.dumps({"project_name": "demo", "navigation": [{"group": "All", "pages": pages}]}))
elif options.get("fail") == slug:
    print("the fake failed", file=sys.stderr)
    sys.exit(1)
else:
    print(f"# {slug}\n\nText of {slug}.")
