"""A kube-proxy as a process on a host of tests.hosts: each line on stdin is the whole desired state, answered when synced.

Started by test_proxy_modes.py. A process of its own, because a network namespace belongs to a thread.
"""

import asyncio
import sys
import time
from typing import Any, cast

import msgspec
import uvloop
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice
from prometheus_client import CollectorRegistry

from agent.desired import Change, DesiredState
from agent.proxy.kube_proxy import KubeProxy, Mode
from proto.messages import NodeOrder


class State(msgspec.Struct):
    services: list[Service]
    slices: list[EndpointSlice]


ORDER = NodeOrder(
    pod_cidr="10.244.0.0/24",
    cluster_cidr="10.244.0.0/16",
    service_cidr="10.96.0.0/16",
    cluster_dns="",
    cluster_domain="cluster.local",
)


def take(desired: DesiredState, state: State) -> None:
    """Make the desired state this one, telling of everything that may differ."""
    services = {(one.metadata.namespace or "", one.metadata.name or ""): one for one in state.services if one.metadata}
    slices = {(one.metadata.namespace or "", one.metadata.name or ""): one for one in state.slices if one.metadata}
    for key in {*services, *desired.services}:
        desired.tell(Change("services", *key))
    for key in {*slices, *desired.endpoint_slices}:
        desired.tell(Change("endpointslices", *key))
    desired.services = services
    desired.endpoint_slices = slices
    if desired.node is None:
        desired.node = ORDER
        desired.tell(Change("node", "", ""))


async def main(mode: Mode) -> None:
    desired, registry = DesiredState(), CollectorRegistry()
    proxy = KubeProxy(node_name="node", desired=desired, mode=mode, sync_period=1.0, registry=registry)
    decoder: Any = msgspec.json.Decoder(State)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(proxy.run())
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "teardown":
                await proxy.teardown()
                print("torn down", flush=True)
                continue
            told = time.time()
            take(desired, decoder.decode(line))
            while (
                registry.get_sample_value("kubeproxy_sync_proxy_rules_last_timestamp_seconds") or 0
            ) < told or proxy.problem:
                await asyncio.sleep(0.005)
            print("synced", flush=True)
        running.cancel()


if __name__ == "__main__":
    uvloop.run(main(cast(Mode, sys.argv[1])))
