"""What a start of a Jupyter server pays for us, in fresh processes.

Prints the median of the CPU time of ``import docsfy_jupyter``, of ``import jupyter_server.serverapp``, and of what the server
then imports for the extension; and their ratio, which says more than milliseconds on a machine that does other things too.

Run ``python benchmarks/import_time.py``. The aims, 50 and 300 ms, hold for a machine that does nothing else; the exit code is 1
when the extension costs more than 0.6 of the server's own import, which holds on any.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

TIMES = 7
PACKAGE_AIM, EXTENSION_AIM = 50, 300  # milliseconds
MOST = 0.6
# The grammar of international addresses that jupyter_events' schemas load takes seconds by itself, and would hide all else.
CODE = """
import sys, time
sys.modules["rfc3987_syntax"] = None
first = time.process_time()
import docsfy_jupyter
second = time.process_time()
import jupyter_server.serverapp
third = time.process_time()
docsfy_jupyter._jupyter_server_extension_points()
print(second - first, third - second, time.process_time() - third)
"""


def measure() -> list[float]:
    """Return the medians in milliseconds: package, server, extension."""
    runs = []
    for _ in range(TIMES):
        out = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True).stdout
        runs.append([1000 * float(text) for text in out.split()])
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def main() -> int:
    package, server, extension = measure()
    print(f"import docsfy_jupyter            {package:6.0f} ms CPU (aim: {PACKAGE_AIM})")
    print(f"import jupyter_server.serverapp  {server:6.0f} ms CPU")
    print(f"the extension on top of it       {extension:6.0f} ms CPU (aim: {EXTENSION_AIM}), {extension / server:.2f} of it")
    return int(extension / server > MOST)


if __name__ == "__main__":
    sys.exit(main())
