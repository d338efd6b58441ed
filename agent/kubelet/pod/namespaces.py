"""Sockets inside another process's network namespace. Used for port forwarding, which reaches a pod's own loopback."""

import ctypes
import os
import socket
import threading

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def socket_in(pid: int, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket that belongs to the process's network namespace. Blocking but instant. Raises OSError.

    A namespace is entered per thread, so a thread of its own enters it, makes the socket and ends: no other is affected.
    """
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(namespace, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number))
                made.append(socket.socket(family, socket.SOCK_STREAM))
            finally:
                os.close(namespace)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="enter-namespace")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
