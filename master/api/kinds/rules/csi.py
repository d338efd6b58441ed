"""Rules of storage.k8s.io that its kinds share."""

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, required, too_long
from master.client.errors import Cause

_DRIVER_NAME_LIMIT = 63


def validate_driver_name(name: str, path: str) -> list[Cause]:
    """The name of a CSI driver: a subdomain of at most 63 characters, of any case."""
    if not name:
        return [required(path)]
    causes = [too_long(path, _DRIVER_NAME_LIMIT)] if len(name) > _DRIVER_NAME_LIMIT else []
    return causes + [invalid(path, name, why) for why in names.dns1123_subdomain(name.lower())]
