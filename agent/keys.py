"""The node's key files. Read by `agent.app` and `agent.join`: the running agent needs nothing else of join, which is large."""

import base64
from pathlib import Path


def read_key(path: Path) -> bytes:
    """32 raw bytes from a base64 file. Raises OSError, ValueError."""
    raw = base64.b64decode(path.read_bytes().strip(), validate=True)
    if len(raw) != 32:
        raise ValueError("does not hold a key of 32 bytes in base64")
    return raw
