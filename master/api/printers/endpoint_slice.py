"""`kubectl get endpointslices`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import shortened
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_UNSET = "<unset>"

COLUMNS = (NAME, Column(name="AddressType"), Column(name="Ports"), Column(name="Endpoints"), AGE)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    ports = obj.get("ports")
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        _UNSET if not ports else shortened(_port(port) for port in ports),
        _UNSET if not addresses else shortened(addresses),
        age(obj, now),
    ]


def _port(port: dict[str, Any]) -> str:
    return str(port["port"]) if port.get("port") is not None else port.get("name") or "*"
