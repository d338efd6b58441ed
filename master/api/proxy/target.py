"""What a name below `proxy` means: which node, address, port and scheme. Reads objects, opens nothing.

Rules and words: ResourceLocation in pkg/registry/core/{pod,service/storage,node}. An address that is no unicast address beyond
its host is refused (CVE-2018-1002102, CVE-2022-3294); the node itself then connects only to what is its pod's own.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from master.client.errors import StatusError, bad_request
from master.client.protocol import Json, ResourceRef
from proto.k8s.address import is_proxyable

_PODS, _SERVICES = ResourceRef("", "v1", "pods"), ResourceRef("", "v1", "services")
_ENDPOINTS, _NODES = ResourceRef("", "v1", "endpoints"), ResourceRef("", "v1", "nodes")
_DEFAULT_PORTS = {"": 80, "http": 80, "https": 443}
#: Where kubelets listen: on a node it means the agent's own server.
_KUBELET_PORT = 10250

#: Gives an object, by resource, namespace and name. Raises StatusError 404.
Read = Callable[[ResourceRef, str, str], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Target:
    """`kind` and `options` are those of `master.client.streams`. `host` is what a URL of the target's own has as host."""

    node: str
    kind: str
    host: str
    tls: bool = False
    options: Json = field(default_factory=dict)
    namespace: str = ""
    pod: str = ""
    uid: str = ""


def split_name(name: str, what: str) -> tuple[str, str, str]:
    """Scheme, name and port of "name", "name:port" or "scheme:name:port". Raises StatusError 400."""
    parts = name.split(":")
    scheme, bare, port = ("", "", "")
    match parts:
        case [bare]:
            pass
        case [bare, port]:
            pass
        case [scheme, bare, port]:
            pass
    if len(parts) > 3 or not bare or scheme not in ("", "http", "https"):
        raise bad_request(f'invalid {what} request "{name}"')
    return scheme, bare, port


async def pod_target(read: Read, namespace: str, name: str) -> Target:
    scheme, bare, port = split_name(name, "pod")
    pod = await read(_PODS, namespace, bare)
    if not port:
        declared = (one.get("ports") or () for one in pod["spec"]["containers"])
        port = next((str(ports[0]["containerPort"]) for ports in declared if ports), "")
    return _of_pod(pod, scheme, _port(port, scheme))


async def service_target(read: Read, namespace: str, name: str) -> Target:
    scheme, bare, port = split_name(name, "service")
    if port.isascii() and port.isdigit():
        service = await read(_SERVICES, namespace, bare)
        found = [one for one in service["spec"].get("ports") or () if one["port"] == int(port[:6])]
        if not found:
            raise _unavailable(f'no service port {port[:20]} found for service "{bare}"')
        port = found[0].get("name") or ""
    endpoints = await read(_ENDPOINTS, namespace, bare)
    subsets = list(endpoints.get("subsets") or ())
    random.shuffle(subsets)
    for subset in subsets:
        numbers = [one["port"] for one in subset.get("ports") or () if (one.get("name") or "") == port]
        addresses = list(subset.get("addresses") or ())
        random.shuffle(addresses)
        for address in addresses if numbers else ():
            pod = await _pod_of(read, namespace, address)
            if pod is not None:
                return _of_pod(pod, scheme, numbers[0])
    raise _unavailable(f'no endpoints available for service "{name if subsets else bare}"')


async def node_target(read: Read, name: str) -> Target:
    scheme, bare, port = split_name(name, "node")
    node = await read(_NODES, "", bare)
    addresses = {one["type"]: one["address"] for one in (node.get("status") or {}).get("addresses") or ()}
    address = addresses.get("InternalIP") or addresses.get("ExternalIP") or bare
    if port in ("", str(_KUBELET_PORT)):
        return Target(bare, "nodeproxy", f"{address}:{_KUBELET_PORT}", options={"port": 0})
    number = _port(port, scheme)
    if not is_proxyable(address):
        raise bad_request("address not allowed")
    return Target(bare, "nodeproxy", _joined(address, number), tls=scheme == "https", options={"port": number})


async def _pod_of(read: Read, namespace: str, address: Json) -> Json | None:
    """The pod behind an endpoint, if it is one and has that address: an address alone is nobody's to reach."""
    reference = address.get("targetRef") or {}
    if reference.get("kind") != "Pod" or (reference.get("namespace") or namespace) != namespace:
        return None
    try:
        pod = await read(_PODS, namespace, reference.get("name") or "")
    except StatusError:
        return None
    ips = [one.get("ip") for one in (pod.get("status") or {}).get("podIPs") or ()]
    return pod if address.get("ip") in ips else None


def _of_pod(pod: Json, scheme: str, port: int) -> Target:
    metadata, status = pod["metadata"], pod.get("status") or {}
    ips = status.get("podIPs") or ()
    address = str(ips[0].get("ip") if ips else "")
    node = pod["spec"].get("nodeName") or ""
    if not node or not is_proxyable(address):
        raise bad_request("address not allowed")
    return Target(
        node,
        "podproxy",
        _joined(address, port),
        tls=scheme == "https",
        options={"address": address, "port": port},
        namespace=metadata["namespace"],
        pod=metadata["name"],
        uid=metadata["uid"],
    )


def _port(text: str, scheme: str) -> int:
    if not text:
        return _DEFAULT_PORTS[scheme]
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise bad_request(f'invalid port "{text[:64]}"')
    return int(text)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)
