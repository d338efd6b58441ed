"""Rules of both kinds of admission webhooks (pkg/apis/admissionregistration/validation, k8s.io/apiserver pkg/util/webhook).

What the old configuration had already is tolerated on update, as Kubernetes does for side effects, review versions and names.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import orjson

from master.api.kinds.rules import names
from master.api.kinds.rules.admission_rules import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    default_rule,
    validate_match_conditions,
    validate_rule,
)
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.client.errors import Cause

Json = dict[str, Any]

REVIEW_VERSIONS = ("v1", "v1beta1")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
_SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_DEFAULT_PORT, _DEFAULT_SECONDS, _LONGEST_SECONDS = 443, 10, 30
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_HOST = re.compile(r"[ \\^`{|}]")
_URL_FORM = "; desired format: https://host[/path]"


def first_generation(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def next_generation(obj: Json, old: Json) -> None:
    """Each change of the webhooks counts; what the client left to its default is no change."""
    for hook in obj.get("webhooks") or ():
        default_webhook(hook)
    changed = (obj.get("webhooks") or []) != (old.get("webhooks") or [])
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def default_webhook(hook: Json) -> None:
    if hook.get("failurePolicy") is None:
        hook["failurePolicy"] = "Fail"
    if hook.get("matchPolicy") is None:
        hook["matchPolicy"] = "Equivalent"
    hook.setdefault("namespaceSelector", {})
    hook.setdefault("objectSelector", {})
    if hook.get("timeoutSeconds") is None:
        hook["timeoutSeconds"] = _DEFAULT_SECONDS
    for rule in hook.get("rules") or ():
        default_rule(rule)
    service = (hook.get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = _DEFAULT_PORT


def validate_configuration(obj: Json, old: Json | None) -> list[Cause]:
    """Errors of a ValidatingWebhookConfiguration or a MutatingWebhookConfiguration."""
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    before = (old or {}).get("webhooks") or []
    side_effects = _NO_SIDE_EFFECTS if all(hook.get("sideEffects") in _NO_SIDE_EFFECTS for hook in before) else _SIDE_EFFECTS
    known_versions = all(_knows_a_version(hook.get("admissionReviewVersions")) for hook in before)
    unique = len({hook.get("name") for hook in before}) == len(before)
    seen: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        causes.extend(_validate_webhook(hook, path, side_effects))
        versions = hook.get("admissionReviewVersions") or []
        causes.extend(_validate_versions(versions, f"{path}.admissionReviewVersions", known=known_versions))
        if name and name in seen and unique:
            causes.append(duplicate(f"{path}.name", name))
        seen.add(name)
    return causes


def _validate_webhook(hook: Json, path: str, side_effects: tuple[str, ...]) -> list[Cause]:
    causes = _validate_name(hook.get("name") or "", f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        causes.extend(validate_rule(rule, f"{path}.rules[{index}]"))
    for field, choices in (
        ("failurePolicy", FAILURE_POLICIES),
        ("matchPolicy", MATCH_POLICIES),
        ("reinvocationPolicy", REINVOCATION_POLICIES),
    ):
        if hook.get(field) is not None and hook[field] not in choices:
            causes.append(not_supported(f"{path}.{field}", hook[field], choices))
    effects, seconds = hook.get("sideEffects"), hook.get("timeoutSeconds")
    if effects is None:
        causes.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(side_effects)}"))
    elif effects not in side_effects:
        causes.append(not_supported(f"{path}.sideEffects", effects, side_effects))
    if seconds is not None and not 1 <= seconds <= _LONGEST_SECONDS:
        why = "the timeout value must be between 1 and 30 seconds"
        causes.append(invalid(f"{path}.timeoutSeconds", seconds, why))
    for selector in ("namespaceSelector", "objectSelector"):
        causes.extend(validate_label_selector(hook.get(selector), f"{path}.{selector}"))
    causes.extend(validate_client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig"))
    causes.extend(validate_match_conditions(hook.get("matchConditions"), f"{path}.matchConditions"))
    return causes


def validate_client_config(config: Json, path: str) -> list[Cause]:
    """Where a webhook is: a URL or a Service."""
    url, service = config.get("url"), config.get("service")
    if url is not None and service is None:
        return _validate_url(url, f"{path}.url")
    if service is not None and url is None:
        return _validate_service(service, f"{path}.service")
    return [required(path, "exactly one of url or service is required")]


def _validate_name(name: str, path: str) -> list[Cause]:
    if not name:
        return [required(path)]
    if wrong := names.dns1123_subdomain(name):
        return [invalid(path, name, ",".join(wrong))]
    if name.count(".") < 2:
        return [invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def _validate_url(url: str, path: str) -> list[Cause]:
    if wrong := _unparsable(url):
        return [required(path, f"url must be a valid URL: parse {orjson.dumps(url).decode()}: {wrong}{_URL_FORM}")]
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0] if "@" in parts.netloc else None
    causes: list[Cause] = []
    if parts.scheme != "https":
        causes.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_URL_FORM}"))
    if not parts.netloc:
        causes.append(invalid(path, parts.netloc, f"host must be specified{_URL_FORM}"))
    if user is not None:
        causes.append(invalid(path, user, "user information is not permitted in the URL"))
    if parts.fragment:
        causes.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        causes.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return causes


def _unparsable(url: str) -> str:
    """Why Go's net/url does not take a text for a URL, or "". Python's parser drops line ends, and with them its caution."""
    if _CONTROL.search(url):
        return "net/url: invalid control character in URL"
    path = url.partition("?")[0].partition("#")[0]
    if bad := _BAD_ESCAPE.search(path):
        return f'invalid URL escape "{path[bad.start() :][:3]}"'
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"invalid port or host: {error}"
    if bad := _NOT_IN_HOST.search(parts.netloc):
        return f'invalid character "{bad.group()}" in host name'
    return ""


def _validate_service(service: Json, path: str) -> list[Cause]:
    causes = [required(f"{path}.{field}") for field in ("name", "namespace") if not service.get(field)]
    port = service.get("port", _DEFAULT_PORT)
    if wrong := names.port_number(port):
        causes.append(invalid(f"{path}.port", port, f"port is not valid: {', '.join(wrong)}"))
    where, url_path = f"{path}.path", service.get("path") or "/"
    if url_path == "/":
        return causes
    if url_path == "//":
        return [*causes, invalid(where, url_path, "segment[0] may not be empty")]
    if not url_path.startswith("/"):
        causes.append(invalid(where, url_path, "must start with a '/'"))
    for index, step in enumerate(url_path[1:].removesuffix("/").split("/")):
        if not step:
            causes.append(invalid(where, url_path, f"segment[{index}] may not be empty"))
        else:
            wrong = names.dns1123_subdomain(step)
            causes.extend(invalid(where, url_path, f"segment[{index}]: {why}") for why in wrong)
    return causes


def _validate_versions(versions: "list[str]", path: str, *, known: bool) -> list[Cause]:
    listed = ", ".join(REVIEW_VERSIONS)
    if not versions:
        return [required(path, f"must specify one of {listed}")]
    causes: list[Cause] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            causes.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        causes.extend(invalid(f"{path}[{index}]", version, why) for why in names.dns1035_label(version))
    if known and not _knows_a_version(versions):
        causes.append(invalid(path, versions, f"must include at least one of {listed}"))
    return causes


def _knows_a_version(versions: Any) -> bool:
    """None at all is no reason to accept unknown ones later."""
    return not versions or any(version in REVIEW_VERSIONS for version in versions)
