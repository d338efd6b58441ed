"""`kubectl get certificatesigningrequests`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age, human_duration

COLUMNS = (
    NAME,
    AGE,
    Column(name="SignerName", description="signerName indicates the requested signer, and is a qualified name."),
    Column(name="Requestor", description="username contains the name of the user that created the request."),
    Column(name="RequestedDuration", description="expirationSeconds is the requested duration of validity."),
    Column(name="Condition", description="conditions applied to the request."),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        obj["metadata"]["name"],
        age(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else human_duration(seconds),
        _condition(obj.get("status") or {}),
    ]


def _condition(status: dict[str, Any]) -> str:
    types = {condition.get("type") for condition in status.get("conditions") or ()}
    text = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    if "Failed" in types:
        text += ",Failed"
    return f"{text},Issued" if status.get("certificate") else text
