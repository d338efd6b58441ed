"""`kubectl get validatingadmissionpolicybindings`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import selector_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_UNSET = "<unset>"

COLUMNS = (
    NAME,
    Column(name="PolicyName", description="PolicyName indicates the policy definition which the policy binding binded to"),
    Column(name="ParamRef", description="ParamRef indicates the param resource which sets the configration param"),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    return [obj["metadata"]["name"], spec.get("policyName", ""), _param(spec.get("paramRef")), age(obj, now)]


def _param(reference: Any) -> str:
    if reference is None:
        return _UNSET
    name = reference.get("name") or ""
    if name:
        namespace = reference.get("namespace") or ""
        return f"{namespace}/{name}" if namespace else str(name)
    return selector_cell(reference.get("selector")) if reference.get("selector") is not None else _UNSET
