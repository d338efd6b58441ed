"""Pods and nodes for tests of the scheduler, in as few words as a test needs."""

from typing import Any

import msgspec
from lightkube.resources.core_v1 import Node, Pod

from master.scheduler.cluster import Cluster
from master.scheduler.placement import FitError, Placement
from master.scheduler.pod import PodInfo, Shapes
from master.scheduler.registry import load_plugins


def make_node(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    unschedulable: bool = False,
    allocatable: dict[str, str] | None = None,
    images: list[dict[str, Any]] | None = None,
) -> Node:
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": {"taints": taints, "unschedulable": unschedulable},
            "status": {"allocatable": allocatable or {"cpu": "4", "memory": "8Gi", "pods": "110"}, "images": images},
        },
        Node,
    )


def make_pod(
    name: str,
    *,
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    owner: str = "",
    requests: dict[str, str] | None = None,
    host_port: int = 0,
    **spec: Any,
) -> Pod:
    owners = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    container = {
        "name": "c",
        "image": "app:1",
        "resources": {"requests": requests or {}},
        "ports": [{"containerPort": host_port, "hostPort": host_port}] if host_port else [],
    }
    metadata = {
        "name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "labels": labels,
        "ownerReferences": owners if owner else None,
    }  # fmt: skip
    return msgspec.convert({"metadata": metadata, "spec": {"containers": [container], **spec}}, Pod)


class PlacingWorld:
    """A cluster, and placements that are counted at once."""

    def __init__(self, *nodes: Node) -> None:
        self.cluster = Cluster()
        self.shapes = Shapes()
        self.placement = Placement(self.cluster, load_plugins(self.cluster))
        for node in nodes:
            self.cluster.put_node(node)

    def place(self, pod: Pod) -> str:
        """The node's name, or the FitError's message."""
        info = self.shapes.info(pod)
        outcome = self.placement.place(info)
        if isinstance(outcome, FitError):
            return outcome.message
        self.cluster.place(info, outcome.name)
        return outcome.name

    def put(self, pod: Pod, node: str) -> PodInfo:
        info = self.shapes.info(pod)
        self.cluster.place(info, node)
        return info
