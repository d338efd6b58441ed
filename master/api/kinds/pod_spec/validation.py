"""Validation of a pod spec as a whole (ValidatePodSpec). Called by Pod, Deployment and ReplicaSet, after defaulting."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.pod_spec.containers import validate_containers
from master.api.kinds.pod_spec.scheduling import validate_scheduling
from master.api.kinds.pod_spec.security import validate_pod_security
from master.api.kinds.pod_spec.volumes import validate_volumes
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]

RESTART_POLICIES = ("Always", "Never", "OnFailure")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")
_MAX_NAME_SERVERS, _MAX_SEARCH_PATHS, _MAX_SEARCH_LENGTH = 3, 32, 2048


def validate_pod_spec(spec: Json, path: str, *, claimed: Sequence[Json] = ()) -> list[Cause]:
    """Every error of a pod spec. `claimed`: volumes that its containers may mount beside those that it names."""
    volumes = spec.get("volumes") or []
    causes = validate_volumes(volumes, f"{path}.volumes")
    named = {volume.get("name") or "": volume for volume in (*claimed, *volumes)}
    causes.extend(validate_containers(spec, named, path))
    causes.extend(_validate_policies(spec, path))
    causes.extend(_validate_dns(spec, path))
    causes.extend(validate_scheduling(spec, path))
    causes.extend(validate_pod_security(spec, path))
    causes.extend(not_negative(spec.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds"))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        causes.append(invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"))
    causes.extend(_validate_names(spec, path))
    causes.extend(_validate_lists(spec, path))
    return causes


def _validate_policies(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field, supported in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        value = spec.get(field) or ""
        if not value:
            causes.append(required(f"{path}.{field}"))
        elif value not in supported:
            causes.append(not_supported(f"{path}.{field}", value, supported))
    preemption = spec.get("preemptionPolicy")
    if preemption and preemption not in PREEMPTION_POLICIES:
        causes.append(not_supported(f"{path}.preemptionPolicy", preemption, PREEMPTION_POLICIES))
    system = spec.get("os")
    if system is not None:
        if not system.get("name"):
            causes.append(required(f"{path}.os.name"))
        elif system["name"] not in ("linux", "windows"):
            causes.append(not_supported(f"{path}.os.name", system["name"], ("linux", "windows")))
    return causes


def _validate_dns(spec: Json, path: str) -> list[Cause]:
    config, where = spec.get("dnsConfig"), f"{path}.dnsConfig"
    causes: list[Cause] = []
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(where, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{where}.nameservers", message)]
    config = config or {}
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    if len(servers) > _MAX_NAME_SERVERS:
        causes.append(invalid(f"{where}.nameservers", servers, f"must not have more than {_MAX_NAME_SERVERS} nameservers"))
    for index, server in enumerate(servers):
        causes.extend(invalid(f"{where}.nameservers[{index}]", server, why) for why in names.ip_address(server))
    if len(searches) > _MAX_SEARCH_PATHS:
        causes.append(invalid(f"{where}.searches", searches, f"must not have more than {_MAX_SEARCH_PATHS} search paths"))
    if len(" ".join(searches)) > _MAX_SEARCH_LENGTH:
        message = f"must not have more than {_MAX_SEARCH_LENGTH} characters (including spaces) in the search list"
        causes.append(invalid(f"{where}.searches", searches, message))
    for index, search in enumerate(searches):
        if search not in (".", ""):
            causes.extend(
                invalid(f"{where}.searches[{index}]", search, why) for why in names.dns1123_subdomain(search.removesuffix("."))
            )
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            causes.append(required(f"{where}.options[{index}]", "must not be empty"))
    return causes


def _validate_names(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            causes.extend(invalid(f"{path}.{field}", spec[field], why) for why in names.dns1123_label(spec[field]))
    for field in ("serviceAccountName", "priorityClassName", "runtimeClassName"):
        if spec.get(field):
            causes.extend(invalid(f"{path}.{field}", spec[field], why) for why in names.dns1123_subdomain(spec[field]))
    return causes


def _validate_lists(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        where = f"{path}.hostAliases[{index}]"
        causes.extend(invalid(f"{where}.ip", alias.get("ip") or "", why) for why in names.ip_address(alias.get("ip") or ""))
        for host in alias.get("hostnames") or ():
            causes.extend(invalid(f"{where}.hostnames", host, why) for why in names.dns1123_subdomain(host))
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        condition = gate.get("conditionType") or ""
        where = f"{path}.readinessGates[{index}].conditionType"
        causes.extend(invalid(where, condition, why) for why in names.qualified_name(condition))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name, where = gate.get("name") or "", f"{path}.schedulingGates[{index}]"
        causes.extend(invalid(where, name, why) for why in names.qualified_name(name))
        if name in seen:
            causes.append(duplicate(where, name))
        seen.add(name)
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            message = "imagePullSecrets.name must not be empty"
            causes.append(invalid(f"{path}.imagePullSecrets[{index}].name", "", message))
    return causes
