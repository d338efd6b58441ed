"""`kubectl get controllerrevisions`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Controller", description="Controller of the object"),
    Column(name="Revision", description="Revision indicates the revision of the state represented by Data."),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    owners = obj["metadata"].get("ownerReferences") or ()
    controller = next((_named(owner) for owner in owners if owner.get("controller")), NONE)
    return [obj["metadata"]["name"], controller, obj.get("revision", 0), age(obj, now)]


def _named(owner: dict[str, Any]) -> str:
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    kind = f"{owner.get('kind', '')}.{group}" if group else str(owner.get("kind", ""))
    return f"{kind.lower()}/{owner.get('name', '')}"
