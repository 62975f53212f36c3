"""docsfy's own server, unchanged, with a ticker in its event loop. Runs on the Python of docsfy's environment.

Run ``python ticking_docsfy.py PORT TICK OUT``: TICK in seconds; OUT gets ``[[at, late], …]``, seconds of the machine's monotonic
clock and milliseconds, when the server is ended.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import uvicorn
from docsfy.main import app


async def main(port: int, tick: float, out: Path) -> None:
    """Serve, and write down how late the loop was."""
    late: list[tuple[float, float]] = []

    async def ticking() -> None:
        while True:
            due = time.monotonic() + tick
            await asyncio.sleep(tick)
            now = time.monotonic()
            late.append((now, 1000 * (now - due)))

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    server.capture_signals = nullcontext  # it would end the process by the signal before anything is written
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(server, "should_exit", True))
    ticker = asyncio.create_task(ticking())
    await server.serve()
    ticker.cancel()
    out.write_text(json.dumps(late))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
