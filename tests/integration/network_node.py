"""A node's pod network as a process on a host of tests.hosts: each line on stdin is what the master ordered.

Started by test_network_pods.py. Prints "ready" or the problem once what was ordered has been done.
"""

import asyncio
import sys
from typing import Any

import msgspec
import uvloop
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Node

from agent.desired import Change, DesiredState
from agent.network.pod_network import PodNetwork
from agent.runtime.docker import DockerRuntime
from proto.messages import NodeOrder


class State(msgspec.Struct):
    order: NodeOrder
    nodes: list[Node]


class PrintingReporter:
    """Shows the node's events on stdout."""

    def pod_status(self, pod: Pod, status: dict[str, Any], *, terminated: bool = False) -> None:
        raise AssertionError("the network says nothing of pods")

    def node_status(self, status: dict[str, Any]) -> None:
        raise AssertionError("the network says nothing of the node's status")

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        print(f"{type_} {reason} {message}", flush=True)


async def main(node: str, docker: str) -> None:
    desired = DesiredState()
    async with DockerRuntime(docker) as runtime, asyncio.TaskGroup() as group:
        network = PodNetwork(node_name=node, desired=desired, runtime=runtime, reporter=PrintingReporter())
        running = group.create_task(network.run())
        shown = running
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "teardown":
                await network.teardown()
                print("torn down", flush=True)
                break
            state = msgspec.json.decode(line, type=State)
            desired.node = state.order
            desired.nodes = {one.metadata.name or "": one for one in state.nodes if one.metadata}
            desired.tell(Change("node", "", ""))
            # An order that cannot be carried out must not keep the next one from being read.
            shown = group.create_task(show(network))
        running.cancel()
        shown.cancel()


async def show(network: PodNetwork) -> None:
    await network.ready()
    print(f"ready {network.gateway} {network.cluster_dns}", flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
