"""A real gRPC server of the health protocol: for tests of gRPC probes. Also run alone, inside a container, by tests/e2e.

Alone: `python grpc_health.py PORT FILE`; FILE says "SERVING" while it serves.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

SERVING = 1
NOT_SERVING = 2


@contextmanager
def health_server(services: Mapping[str, int], *, address: str = "127.0.0.1:0", delay: float = 0.0) -> Iterator[int]:
    """Statuses by service; its port."""

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        # HealthCheckRequest: field 1, the service's name, shorter than 128 bytes here.
        service = request[2:].decode()
        time.sleep(delay)
        if service not in services:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service: {service}")
        return bytes([0x08, services[service]])

    handler = grpc.unary_unary_rpc_method_handler(check)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})])
    port: int = server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(0)


class _OfFile(Mapping[str, int]):
    """Every service has the status that a file says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, service: str) -> int:
        return SERVING if self._path.read_text().strip() == "SERVING" else NOT_SERVING

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, service: object) -> bool:
        return True


if __name__ == "__main__":
    with health_server(_OfFile(Path(sys.argv[2])), address=f"0.0.0.0:{sys.argv[1]}"):
        time.sleep(3600)
