"""`kubectl get endpoints`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import shortened
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (NAME, Column(name="Endpoints"), AGE)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], shortened(_endpoints(obj)), age(obj, now)]


def _endpoints(obj: dict[str, Any]) -> Iterator[str]:
    for subset in obj.get("subsets") or ():
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            yield from addresses
        for port in ports:
            yield from (_joined(address, port.get("port", 0)) for address in addresses)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
