"""Discovery documents: the plain ones, one request per group and version, and the aggregated ones.

Made from the served kinds, and anew when they change.
Sources: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api, KEP-3352.
"""

import re
from collections.abc import Iterable
from typing import Literal

from master.api.discovery.subresources import SUBRESOURCES
from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.client.protocol import Json

_VERSION = re.compile(r"v([1-9][0-9]{0,8})(?:(alpha|beta)([1-9][0-9]{0,8}))?\Z")

AggregatedVersion = Literal["v2", "v2beta1"]


class Discovery:
    """`kinds`: what is served, as long as it is; `reviews`: what is served beside them."""

    def __init__(self, kinds: Kinds, reviews: Iterable[Kind] = ()) -> None:
        self._kinds = kinds
        self._reviews = tuple(reviews)
        self._generation = -1
        self._by_version: dict[tuple[str, str], list[Kind]] = {}
        self._groups: dict[str, list[str]] = {}

    @property
    def groups(self) -> dict[str, list[str]]:
        """The versions of each group, the preferred one first."""
        self._refresh()
        return self._groups

    @property
    def _resources(self) -> dict[tuple[str, str], list[Kind]]:
        self._refresh()
        return self._by_version

    def _refresh(self) -> None:
        """Look at the kinds again when they have changed."""
        if self._generation == self._kinds.generation:
            return
        by_version: dict[tuple[str, str], list[Kind]] = {}
        for served in (*self._kinds, *self._reviews):
            by_version.setdefault((served.group, served.version), []).append(served)
        for resources in by_version.values():
            resources.sort(key=lambda served: served.plural)
        groups: dict[str, list[str]] = {}
        for group, version in by_version:
            groups.setdefault(group, []).append(version)
        for versions in groups.values():
            versions.sort(key=version_order)
        self._by_version, self._groups, self._generation = by_version, groups, self._kinds.generation

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


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes prefers them: v2, v1, v2beta1, v1alpha1, then other names."""
    match = _VERSION.match(version)
    if match is None:
        return 3, 0, 0, version
    major, stage, minor = match.groups()
    return {None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), ""


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
