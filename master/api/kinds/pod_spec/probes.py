"""Validation of probes and lifecycle hooks, which share their handlers (validateProbe, validateHandler)."""

import re
from typing import Any

from master.api.kinds.pod_spec.ports import validate_port_reference
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]

SCHEMES = ("HTTP", "HTTPS")
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+\Z")
_HEADER_MESSAGE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probe(probe: Json | None, path: str, *, kind: str) -> list[Cause]:
    """`kind`: "livenessProbe", "readinessProbe" or "startupProbe"; they differ in what success means."""
    if probe is None:
        return []
    causes = _validate_handler(probe, path, ("exec", "httpGet", "tcpSocket", "grpc"))
    for field in _COUNTS:
        causes.extend(not_negative(probe.get(field), f"{path}.{field}"))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None:
        if kind == "readinessProbe":
            causes.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"))
        elif grace <= 0:
            causes.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    success = probe.get("successThreshold")
    if kind != "readinessProbe" and success != 1:
        causes.append(invalid(f"{path}.successThreshold", success, "must be 1"))
    return causes


def validate_lifecycle(lifecycle: Json | None, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for hook in ("postStart", "preStop"):
        if (lifecycle or {}).get(hook) is not None:
            causes.extend(
                _validate_handler((lifecycle or {})[hook], f"{path}.{hook}", ("exec", "httpGet", "tcpSocket", "sleep"))
            )
    return causes


def _validate_handler(handler: Json, path: str, kinds: tuple[str, ...]) -> list[Cause]:
    causes: list[Cause] = []
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    causes.extend(forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:])
    action, where = handler[given[0]], f"{path}.{given[0]}"
    match given[0]:
        case "exec":
            if not action.get("command"):
                causes.append(required(f"{where}.command"))
        case "httpGet":
            causes.extend(_validate_http_get(action, where))
        case "tcpSocket":
            causes.extend(validate_port_reference(action.get("port"), f"{where}.port"))
        case "grpc":
            causes.extend(validate_port_reference(action.get("port"), f"{where}.port"))
        case _:
            if (action.get("seconds") or 0) < 0:
                message = "must be non-negative and less than terminationGracePeriodSeconds"
                causes.append(invalid(where, action["seconds"], message))
    return causes


def _validate_http_get(action: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not action.get("path"):
        causes.append(required(f"{path}.path"))
    causes.extend(validate_port_reference(action.get("port"), f"{path}.port"))
    if action.get("scheme") not in SCHEMES:
        causes.append(not_supported(f"{path}.scheme", action.get("scheme"), SCHEMES))
    for header in action.get("httpHeaders") or ():
        if not _HEADER_NAME.match(header.get("name") or ""):
            causes.append(invalid(f"{path}.httpHeaders", header.get("name") or "", _HEADER_MESSAGE))
    return causes
