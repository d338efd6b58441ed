"""NodeMetrics and PodMetrics (metrics.k8s.io/v1beta1) as types, which lightkube has not: for controllers that scale by them.

Read with `Client.list` or `get`; there is no watch: nodes are asked at each read (see `master.api.metrics`).
"""

from datetime import datetime

import msgspec
from lightkube.core.resource import ApiInfo, GlobalResource, NamespacedResource, ResourceDef
from lightkube.models.meta_v1 import ObjectMeta

_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"
_VERBS = ["get", "list"]


class ContainerMetrics(msgspec.Struct):
    """`usage`: quantities of "cpu" and "memory"."""

    name: str
    usage: dict[str, str]


class PodMetrics(msgspec.Struct, NamespacedResource):
    """Usage in the `window` (a Go duration) before `timestamp`."""

    timestamp: datetime
    window: str
    containers: list[ContainerMetrics]
    apiVersion: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None

    _api_info = ApiInfo(ResourceDef(_GROUP, _VERSION, "PodMetrics"), "pods", _VERBS)


class NodeMetrics(msgspec.Struct, GlobalResource):
    """As PodMetrics."""

    timestamp: datetime
    window: str
    usage: dict[str, str]
    apiVersion: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None

    _api_info = ApiInfo(ResourceDef(_GROUP, _VERSION, "NodeMetrics"), "nodes", _VERBS)
