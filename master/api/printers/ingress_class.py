"""`kubectl get ingressclasses`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Controller", description="Controller that is responsible for handling this class"),
    Column(name="Parameters", description="A reference to a resource with additional parameters"),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    return [obj["metadata"]["name"], spec.get("controller", ""), _parameters(spec.get("parameters")), age(obj, now)]


def _parameters(parameters: Any) -> str:
    if parameters is None:
        return NONE
    group = parameters.get("apiGroup")
    kind = parameters.get("kind", "") if group is None else f"{parameters.get('kind', '')}.{group}"
    return f"{kind}/{parameters.get('name', '')}"
