"""ServiceAccount: the identity of a namespace's pods."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import service_account as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    return validate_metadata(obj, old, name_rule=names.dns1123_subdomain)


KIND = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    singular="serviceaccount",
    short_names=("sa",),
    definition="io.k8s.api.core.v1.ServiceAccount",
    subresources=frozenset({"token"}),
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
