"""`kubectl get services`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE, labels_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

#: Unless the output is wide, an external address is cut to this length.
_ADDRESS_WIDTH = 16

COLUMNS = (
    NAME,
    Column(name="Type"),
    Column(name="Cluster-IP"),
    Column(name="External-IP"),
    Column(name="Port(s)"),
    AGE,
    Column(name="Selector", priority=1),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type", "")
    return [
        obj["metadata"]["name"],
        kind,
        NONE if kind == "ExternalName" else spec.get("clusterIP") or NONE,
        _external_ip(obj, spec, kind),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age(obj, now),
        labels_cell(spec.get("selector")),
    ]


def _external_ip(obj: dict[str, Any], spec: dict[str, Any], kind: str) -> str:
    external = spec.get("externalIPs") or []
    match kind:
        case "ClusterIP" | "NodePort":
            return ",".join(external) or NONE
        case "LoadBalancer":
            ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            addresses = ",".join(i.get("ip") or i.get("hostname") or "" for i in ingress)
            if len(addresses) > _ADDRESS_WIDTH:
                addresses = addresses[: _ADDRESS_WIDTH - 3] + "..."
            return ",".join([*([addresses] if addresses else []), *external]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case _:
            return "<unknown>"


def _port(port: dict[str, Any]) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"
