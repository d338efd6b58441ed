"""Whether the engine may protect processes from the kernel's out-of-memory killer.

Without CAP_SYS_RESOURCE (an engine inside a container or a restricted VM) runc cannot set a score below the engine's own and
fails every such start. Then scores are raised to what can be had: a pod without protection is better than no pod.
"""

import os
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

_CAP_SYS_RESOURCE = 24
LOWEST = -1000


def lowest_oom_score(base_url: str) -> int:
    """The lowest oom_score_adj that the engine can give. Blocking but instant; LOWEST when it cannot be told."""
    url = urlsplit(base_url)
    if url.scheme not in ("unix", "http+unix"):
        return LOWEST
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            probe.connect(url.path or f"/{url.netloc}")
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid = struct.unpack("3i", credentials)[0]
        process = Path("/proc") / (str(pid) if pid else str(os.getpid()))
        capable = _capabilities(process) >> _CAP_SYS_RESOURCE & 1
        return LOWEST if capable else int((process / "oom_score_adj").read_text())
    except (OSError, ValueError):
        return LOWEST


def _capabilities(process: Path) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    raise ValueError("no capabilities told")
