"""What a connection that cannot be made is called: Go's words, which Kubernetes' events show. Pure."""

import os
import socket


def dial_problem(error: OSError, host: str, port: int) -> str:
    """After `Get "URL": ` or alone."""
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return f"read tcp {where}: read: {reason(error)}"
    return f"dial tcp {where}: connect: {reason(error)}"


def reason(error: OSError) -> str:
    """The kernel's own message in lower case."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
