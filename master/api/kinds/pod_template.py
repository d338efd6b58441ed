"""PodTemplate: a pod to be, kept for whoever makes pods of it."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.pod_template import default_template, validate_template
from master.api.printers import pod_template as printer
from master.client.errors import Cause


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    default_template(obj)
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + (obj["template"] != old.get("template"))


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    return causes + validate_template(obj.get("template") or {}, "template")


KIND = Kind(
    group="",
    version="v1",
    kind="PodTemplate",
    plural="podtemplates",
    singular="podtemplate",
    definition="io.k8s.api.core.v1.PodTemplate",
    default=default_template,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    columns=printer.COLUMNS,
    row=printer.row,
)
