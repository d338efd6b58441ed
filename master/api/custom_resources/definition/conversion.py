"""spec.conversion: none, or a webhook with the versions of ConversionReview that it understands."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.webhooks import validate_client_config
from master.client.errors import Cause

Json = dict[str, Any]

_VERSIONS = ("v1", "v1beta1")


def validate_conversion(conversion: Json | None, path: str) -> list[Cause]:
    if conversion is None:
        return []
    strategy = conversion.get("strategy") or ""
    webhook = conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    where = f"{path}.webhookClientConfig"
    causes: list[Cause] = []
    if not strategy:
        causes.append(required(f"{path}.strategy"))
    elif strategy not in ("None", "Webhook"):
        causes.append(not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    if strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        if config is not None:
            causes.append(forbidden(where, why))
        if versions:
            causes.append(forbidden(f"{path}.conversionReviewVersions", why))
        return causes
    if config is None:
        causes.append(required(where, "required when strategy is set to Webhook"))
    else:
        causes.extend(validate_client_config(config, where))
    causes.extend(_validate_versions(versions, f"{path}.conversionReviewVersions"))
    return causes


def _validate_versions(versions: list[str], path: str) -> list[Cause]:
    if not versions:
        return [required(path)]
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            causes.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        seen.add(version)
        causes.extend(invalid(f"{path}[{index}]", version, wrong) for wrong in names.dns1035_label(version))
    if not seen & set(_VERSIONS):
        causes.append(invalid(path, versions, f"must include at least one of {', '.join(_VERSIONS)}"))
    return causes
