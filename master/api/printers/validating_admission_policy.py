"""`kubectl get validatingadmissionpolicies`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_UNSET = "<unset>"

COLUMNS = (
    NAME,
    Column(name="Validations", type="integer", description="Validations indicates the number of validation rules defined"),
    Column(
        name="ParamKind",
        description="ParamKind specifies the kind of resources used to parameterize this policy",
    ),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    param = spec.get("paramKind")
    kind = _UNSET if param is None else f"{param.get('apiVersion', '')}/{param.get('kind', '')}"
    return [obj["metadata"]["name"], len(spec.get("validations") or ()), kind, age(obj, now)]
