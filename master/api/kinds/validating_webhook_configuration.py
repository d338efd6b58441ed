"""ValidatingWebhookConfiguration: webhooks that may refuse a write. Calling them is `master.api.admission`'s."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.webhooks import default_webhook, first_generation, next_generation, validate_configuration
from master.api.printers import webhook_configuration as printer


def _default(obj: Json) -> None:
    for hook in obj.get("webhooks") or ():
        default_webhook(hook)


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingWebhookConfiguration",
    plural="validatingwebhookconfigurations",
    singular="validatingwebhookconfiguration",
    definition="io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    categories=("api-extensions",),
    namespaced=False,
    default=_default,
    validate=validate_configuration,
    prepare_for_create=first_generation,
    prepare_for_update=next_generation,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
