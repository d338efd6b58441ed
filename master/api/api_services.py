"""The APIServices of the groups that the API is born with, as kube-apiserver registers its own at start.

Called by `master.api.bootstrap`. The groups of CustomResourceDefinitions are registered by a controller. Priorities are
Kubernetes' (pkg/controlplane/apiserver/aggregator.go); one that was registered by an older version and is served no more goes.
"""

import logging

from master.api.auth.reviews.registry import REVIEWS
from master.api.kinds.api_service import GROUP, KIND
from master.api.kinds.registry import KINDS
from master.api.metrics.kinds import RESOURCE_METRICS
from master.api.registry.registry import Registry
from master.api.registry.storage import decode
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, Json

_log = logging.getLogger(__name__)

#: The label of APIServices that nobody made by hand; "onstart": made at each start.
AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START = "onstart"

#: By group: the group's priority. Clients prefer the group of the higher one.
_PRIORITIES = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500, "node.k8s.io": 16300,
    "discovery.k8s.io": 16200, "metrics.k8s.io": 100,
}  # fmt: skip
_OTHERS = 15000
_VERSION_PRIORITY = 15


def built_in_api_services() -> list[Json]:
    """One for each group and version that is declared, but for the group of APIServices itself."""
    served = {(kind.group, kind.version) for kind in (*KINDS, *REVIEWS.kinds, *RESOURCE_METRICS)}
    return [_api_service(group, version) for group, version in sorted(served) if group != GROUP]


async def register_api_services(registry: Registry) -> None:
    """Idempotent. What is refused (by a webhook that is away) is logged and tried at the next start: the API must come up."""
    wanted = {service["metadata"]["name"]: service for service in built_in_api_services()}
    listed = await registry.list(KIND.resource, "", label_selector=f"{AUTOMANAGED}={ON_START}")
    there = {decode(raw)["metadata"]["name"] for raw in listed.items}
    for name, service in wanted.items():
        if name not in there:
            await _create(registry, service)
    for name in there - wanted.keys():
        await registry.delete(KIND.resource, "", name, DeleteOptions())


async def _create(registry: Registry, service: Json) -> None:
    try:
        await registry.create(KIND.resource, "", service)
    except StatusError as error:
        # Somebody made it by hand: it says the same.
        if error.reason != "AlreadyExists":
            _log.warning("APIService not registered: %s", error, extra={"object": service["metadata"]["name"]})


def _api_service(group: str, version: str) -> Json:
    # Of one group, clients prefer the newest version.
    number = int("".join(letter for letter in version if letter.isdigit()) or 1)
    spec: Json = {"version": version, "groupPriorityMinimum": _PRIORITIES.get(group, _OTHERS)}
    spec["versionPriority"] = 1 if not group else _VERSION_PRIORITY * number
    if group:
        spec["group"] = group
    return {"metadata": {"name": f"{version}.{group}", "labels": {AUTOMANAGED: ON_START}}, "spec": spec}
