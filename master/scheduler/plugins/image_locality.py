"""ImageLocality: prefers nodes that have the pod's images, the bigger the more; less for an image that few nodes have, so that
one node is not flooded."""

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.pod import PodShape

#: Kubernetes' thresholds: below the first (for all images together) nothing is won, above the second (for each) nothing more.
_MIN_BYTES = 23 << 20
_MAX_BYTES = 1000 << 20


class ImageLocality:
    name = "ImageLocality"
    weight = 1
    normalized = False

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        if not node.images or not pod.images:
            return 0.0
        nodes = max(1, self._cluster.existing)
        here = sum(node.images.get(image, 0) * self._cluster.image_nodes.get(image, 0) / nodes for image in pod.images)
        most = _MAX_BYTES * len(pod.images)
        return 100 * (min(max(here, _MIN_BYTES), most) - _MIN_BYTES) / (most - _MIN_BYTES)
