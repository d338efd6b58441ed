"""`kubectl get ingresses`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_HOSTS = 3

COLUMNS = (
    NAME,
    Column(name="Class", description="The name of the IngressClass resource that should be used for additional configuration"),
    Column(name="Hosts", description="Hosts that incoming requests are matched against before the ingress rule"),
    Column(name="Address", description="Address is a list containing ingress points for the load-balancer"),
    Column(name="Ports", description="Ports of TLS configurations that open"),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    points = (status.get("loadBalancer") or {}).get("ingress") or ()
    addresses = sorted({point.get("ip") or point.get("hostname") or "" for point in points} - {""})
    return [
        obj["metadata"]["name"],
        spec.get("ingressClassName") if spec.get("ingressClassName") is not None else NONE,
        _hosts(spec.get("rules") or ()),
        ",".join(addresses),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]


def _hosts(rules: Sequence[dict[str, Any]]) -> str:
    hosts: list[str] = []
    more = False
    for rule in rules:
        if len(hosts) == _HOSTS:
            more = True
        elif rule.get("host"):
            hosts.append(rule["host"])
    if not hosts:
        return "*"
    listed = ",".join(hosts)
    return f"{listed} + {len(rules) - _HOSTS} more..." if more else listed
