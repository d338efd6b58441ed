"""Which container of a pod a request for its log or its streams means (pkg/registry/core/pod: validateContainer)."""

from master.client.errors import bad_request
from master.client.protocol import Json


def choose_container(pod: Json, name: str) -> str:
    """The container that a request names, or the only one. Raises StatusError 400.

    The annotation kubectl.kubernetes.io/default-container is kubectl's to read: a server does not choose among several.
    """
    spec = pod["spec"]
    names = [
        str(container["name"])
        for field in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(field) or ()
    ]
    pod_name = pod["metadata"]["name"]
    if name:
        if name not in names:
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return name
    regular = spec["containers"]
    if len(regular) > 1:
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]")
    return str(regular[0]["name"])
