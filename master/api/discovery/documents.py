"""Discovery documents: the plain ones, one request per group and version, and the aggregated ones.

Made once from the declared kinds.
Sources: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api, KEP-3352.
"""

import re
from collections.abc import Iterable
from typing import Literal

from master.api.discovery.subresources import SUBRESOURCES
from master.api.kinds.kind import Kind
from master.client.protocol import Json

AggregatedVersion = Literal["v2", "v2beta1"]


_VERSION = re.compile(r"v(\d{1,9})(?:(alpha|beta)(\d{1,9}))?", re.ASCII)
_STAGES = ("", "beta", "alpha")


class Discovery:
    """`kinds`: what is served, reviews among them."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._resources: dict[tuple[str, str], list[Kind]] = {}
        for served in kinds:
            self._resources.setdefault((served.group, served.version), []).append(served)
        for resources in self._resources.values():
            resources.sort(key=lambda served: served.plural)
        self.groups: dict[str, list[str]] = {}
        for group, version in self._resources:
            self.groups.setdefault(group, []).append(version)
        for versions in self.groups.values():
            versions.sort(key=preference)

    def api_versions(self, server_address: str) -> Json:
        """GET /api. `server_address`: host and port as the client reached them."""
        return {
            "kind": "APIVersions",
            "versions": self.groups[""],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
        }

    def group_list(self) -> Json:
        """GET /apis."""
        groups = [_group(name, versions) for name, versions in self.groups.items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> Json | None:
        """GET /apis/{group}."""
        versions = self.groups.get(name)
        if not name or versions is None:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}

    def resource_list(self, group: str, version: str) -> Json | None:
        """GET /api/v1 and GET /apis/{group}/{version}."""
        served = self._resources.get((group, version))
        if served is None:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": [entry for one in served for entry in _plain(one)],
        }

    def aggregated(self, *, core: bool, version: AggregatedVersion) -> Json:
        """GET /api (core) or GET /apis, all groups in one document."""
        items = []
        for name, versions in self.groups.items():
            if bool(name) is core:
                continue
            listed = [
                {
                    "version": one,
                    "resources": [_aggregated(served) for served in self._resources[(name, one)]],
                    "freshness": "Current",
                }
                for one in versions
            ]
            metadata: Json = {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
            items.append({"metadata": metadata, "versions": listed})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }


def preference(version: str) -> tuple[int, int, int, str]:
    """The key that sorts a group's versions, the one to prefer first: v2, v1, v1beta2, v1alpha1, others by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (len(_STAGES), 0, 0, version)
    major, stage, minor = match.groups()
    return (_STAGES.index(stage or ""), -int(major), -int(minor or 0), version)


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _plain(served: Kind) -> list[Json]:
    entry: Json = {
        "name": served.plural,
        "singularName": served.singular,
        "namespaced": served.namespaced,
        "kind": served.kind,
        "verbs": list(served.verbs),
    }
    if served.short_names:
        entry["shortNames"] = list(served.short_names)
    if served.categories:
        entry["categories"] = list(served.categories)
    entries = [entry]
    for name in sorted(served.subresources):
        below = SUBRESOURCES[name]
        child: Json = {
            "name": f"{served.plural}/{name}",
            "singularName": "",
            "namespaced": served.namespaced,
            "kind": below.kind.format(served.kind) or served.kind,
            "verbs": list(below.verbs),
        }
        if below.group:
            child["group"], child["version"] = below.group, below.version
        entries.append(child)
    return entries


def _aggregated(served: Kind) -> Json:
    entry: Json = {
        "resource": served.plural,
        "responseKind": {"group": served.group, "version": served.version, "kind": served.kind},
        "scope": "Namespaced" if served.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": list(served.verbs),
    }
    if served.short_names:
        entry["shortNames"] = list(served.short_names)
    if served.categories:
        entry["categories"] = list(served.categories)
    below = []
    for name in sorted(served.subresources):
        child = SUBRESOURCES[name]
        response = {"group": child.group, "version": child.version, "kind": child.kind.format(served.kind)}
        if not child.kind:
            response = {"group": served.group, "version": served.version, "kind": served.kind}
        below.append({"subresource": name, "responseKind": response, "verbs": list(child.verbs)})
    if below:
        entry["subresources"] = below
    return entry
