"""A daemon does not carry modules that nothing of it uses. Each is looked at in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
#: Each alone costs megabytes.
LEFT_OUT = ("httpcore2", "h2", "pyroute2.ndb", "pyroute2.ipdb", "lightkube.core.client", "dns.dnssec")


@pytest.mark.parametrize("daemon", ["agent", "master"])
def test_a_daemon_leaves_out_what_nobody_uses(daemon: str) -> None:
    code = (
        "import sys\n"
        "from proto.daemon.imports import leave_out_what_nobody_uses\n"
        "leave_out_what_nobody_uses()\n"
        f"import {daemon}.app\n"
        f"print(*[name for name in {LEFT_OUT!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
