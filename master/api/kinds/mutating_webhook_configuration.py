"""MutatingWebhookConfiguration: webhooks that may change an object on its way in. Calling them is `master.api.admission`'s."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.webhooks import default_webhook, first_generation, next_generation, validate_configuration
from master.api.printers import webhook_configuration as printer


def _default(obj: Json) -> None:
    for hook in obj.get("webhooks") or ():
        default_webhook(hook)
        if hook.get("reinvocationPolicy") is None:
            hook["reinvocationPolicy"] = "Never"


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    next_generation(obj, old)


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingWebhookConfiguration",
    plural="mutatingwebhookconfigurations",
    singular="mutatingwebhookconfiguration",
    definition="io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    categories=("api-extensions",),
    namespaced=False,
    default=_default,
    validate=validate_configuration,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
