"""A network without anybody, for tests of what works offline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

# A new network namespace has nothing but a loopback device that is down; SIOCSIFFLAGS with IFF_UP brings it up.
ENTER = """
import fcntl, os, socket, struct, sys
with socket.socket() as device:
    fcntl.ioctl(device, 0x8914, struct.pack("16sH14x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""


def own_network() -> list[str]:
    """Return the words before a command that give it an empty network; skip where this is not permitted."""
    flags = "-n" if os.geteuid() == 0 else "-rn"
    allowed = shutil.which("unshare") and subprocess.run(["unshare", flags, "true"], capture_output=True, check=False).returncode == 0
    if not allowed:
        message = "no right to make a network namespace (unshare)"
        pytest.fail(message) if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip(message)
    return ["unshare", flags, sys.executable, "-c", ENTER]
