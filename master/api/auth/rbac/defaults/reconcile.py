"""Brings the stored roles and bindings up to the defaults, at each start of the API.

What is missing is created, rules and subjects that are missing are added; what an admin added stays. An object whose
annotation rbac.authorization.kubernetes.io/autoupdate is "false" is left alone. A binding to another role than the default's
is replaced: nobody may change that of an existing one. The differences are computed from the watch cache, and only they are
written, all at once. One that is refused (by a webhook that is away, say) is logged and left to the next start: system:masters
needs no role to repair a cluster, and a master that does not start could not be repaired at all.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

import msgspec

from master.api.admission.protocol import ObjectReader
from master.api.auth.rbac.defaults.bindings import CLUSTER_BINDINGS, NAMESPACE_BINDINGS
from master.api.auth.rbac.defaults.controller_roles import CONTROLLER_BINDINGS, CONTROLLER_ROLES
from master.api.auth.rbac.defaults.objects import AUTOUPDATE
from master.api.auth.rbac.defaults.system_roles import NAMESPACE_ROLES, SYSTEM_ROLES
from master.api.auth.rbac.defaults.user_roles import USER_ROLES
from master.api.auth.rbac.escalation import missing_rights
from master.api.auth.rbac.policy import GROUP, rules_of
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, Json, ResourceRef

_log = logging.getLogger(__name__)

_PLURALS = {
    "ClusterRole": "clusterroles",
    "Role": "roles",
    "ClusterRoleBinding": "clusterrolebindings",
    "RoleBinding": "rolebindings",
}
#: Roles first: a binding to a role that is not there yet is one that gives nothing.
ROLES: tuple[Json, ...] = (*USER_ROLES, *SYSTEM_ROLES, *CONTROLLER_ROLES, *NAMESPACE_ROLES)
BINDINGS: tuple[Json, ...] = (*CLUSTER_BINDINGS, *CONTROLLER_BINDINGS, *NAMESPACE_BINDINGS)


class RoleWriter(Protocol):
    """The verbs that bring an object up to its default (`master.api.registry.registry.Registry`). They raise StatusError."""

    async def create(self, resource: ResourceRef, namespace: str, body: Json) -> bytes: ...

    async def update(self, resource: ResourceRef, namespace: str, name: str, body: Json) -> bytes: ...

    async def delete(self, resource: ResourceRef, namespace: str, name: str, options: DeleteOptions) -> bytes: ...


async def reconcile(reader: ObjectReader, writer: RoleWriter) -> None:
    """Write what is missing. What cannot be written is logged."""
    for objects in (ROLES, BINDINGS):
        changed = await _reconcile(reader, writer, objects)
        if changed:
            _log.info("default roles and bindings written", extra={"objects": changed})


async def _reconcile(reader: ObjectReader, writer: RoleWriter, defaults: Iterable[Json]) -> int:
    changed = 0
    async with asyncio.TaskGroup() as tasks:
        for default in defaults:
            metadata = default["metadata"]
            plural = _PLURALS[default["kind"]]
            current = await reader.read(GROUP, plural, metadata.get("namespace", ""), metadata["name"])
            wanted = difference(default, current)
            if wanted is not None:
                changed += 1
                tasks.create_task(_write(writer, ResourceRef(GROUP, "v1", plural), wanted, current))
    return changed


async def _write(writer: RoleWriter, resource: ResourceRef, wanted: Json, current: Json | None) -> None:
    metadata = wanted["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    try:
        if current is not None and wanted.get("roleRef") != current.get("roleRef"):
            await writer.delete(resource, namespace, name, DeleteOptions())
            current = None
        if current is None:
            await writer.create(resource, namespace, msgspec.json.decode(msgspec.json.encode(wanted)))
        else:
            await writer.update(resource, namespace, name, wanted)
    except StatusError as error:
        if error.code != 409:  # another master was faster, and wrote the same
            where = {"resource": resource.plural, "namespace": namespace, "object": name}
            _log.error("a default role or binding could not be written", extra={**where, "error": error.message})


def difference(default: Json, current: Json | None) -> Json | None:
    """The object as it is to be written; None when nothing is missing, or when its admin wants it left alone."""
    if current is None:
        return default
    metadata = current["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    if "roleRef" in default and not _same_role(default["roleRef"], current.get("roleRef") or {}):
        return default
    wanted: Json = {**current, "metadata": dict(metadata)}
    for name in ("labels", "annotations"):
        merged = {**default["metadata"][name], **(metadata.get(name) or {})}
        if merged != metadata.get(name):
            wanted["metadata"][name] = merged
    if "roleRef" in default:
        _add_subjects(wanted, default)
    elif "aggregationRule" in default:
        _add_selectors(wanted, default)
    else:
        _add_rules(wanted, default)
    return None if wanted == current else wanted


def _same_role(one: Json, other: Json) -> bool:
    return all(one.get(field) == other.get(field) for field in ("kind", "name"))


def _add_subjects(wanted: Json, default: Json) -> None:
    present = wanted.get("subjects") or []
    missing = [subject for subject in default.get("subjects", ()) if subject not in present]
    if missing:
        wanted["subjects"] = [*present, *missing]


def _add_selectors(wanted: Json, default: Json) -> None:
    present = (wanted.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    missing = [one for one in default["aggregationRule"]["clusterRoleSelectors"] if one not in present]
    if missing:
        wanted["aggregationRule"] = {"clusterRoleSelectors": [*present, *missing]}


def _add_rules(wanted: Json, default: Json) -> None:
    held = rules_of(wanted)
    missing = [given for given, rule in zip(default["rules"], rules_of(default), strict=True) if missing_rights(held, (rule,))]
    if missing:
        wanted["rules"] = [*(wanted.get("rules") or ()), *missing]
