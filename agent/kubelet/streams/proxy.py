"""Connections for the API's proxy subresources: to a pod's own address, to this node's server, to a port of this node.

The master names the address that the API knows; the node connects to it only when it is the pod's own by what the engine
says, so nobody who may write a status can point the proxy at the node's loopback or a cloud's metadata (CVE-2022-3294).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from agent.kubelet.streams.refused import StreamRefused
from agent.kubelet.streams.tcp import CONNECT_TIMEOUT, carry
from proto.k8s.address import is_proxyable
from proto.stream import Stream


async def proxy_to_pod(addresses: Sequence[str], options: Mapping[str, Any], stream: Stream) -> None:
    """`addresses`: the pod's own."""
    if not addresses:
        raise StreamRefused("the pod has no address yet", 503)
    address = str(options.get("address"))
    if address not in addresses or not is_proxyable(address):
        raise StreamRefused("address not allowed", 400)
    await _connect(address, _port(options), stream)


async def proxy_to_node(addresses: Sequence[str], server_port: int, options: Mapping[str, Any], stream: Stream) -> None:
    """`addresses`: the node's own, the main one first. Port 0 is the agent's own server, which only loopback reaches."""
    if options.get("port") == 0:
        await _connect("127.0.0.1", server_port, stream)
        return
    address = next((address for address in addresses if is_proxyable(address)), "")
    if not address:
        raise StreamRefused("address not allowed", 400)
    await _connect(address, _port(options), stream)


def _port(options: Mapping[str, Any]) -> int:
    port = options.get("port")
    if not isinstance(port, int) or not 0 < port < 65536:
        raise StreamRefused(f"invalid port {port!r}", 400)
    return port


async def _connect(address: str, port: int, stream: Stream) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_connection(address, port)
    except TimeoutError as error:
        raise StreamRefused(f"dial tcp {_shown(address, port)}: i/o timeout", 503) from error
    except ConnectionRefusedError as error:
        raise StreamRefused(f"dial tcp {_shown(address, port)}: connect: connection refused", 503) from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StreamRefused(f"dial tcp {_shown(address, port)}: connect: {why}", 503) from error
    await carry(reader, writer, stream)


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
