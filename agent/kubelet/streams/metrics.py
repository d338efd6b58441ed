"""Answers the master's question what this node and its pods use, for metrics.k8s.io. See proto.metrics."""

from agent.kubelet.streams.refused import StreamRefused
from agent.stats.collector import Stats
from agent.stats.samples import NodeSample, PodSample
from proto.metrics import CHANNEL, ContainerUsage, NodeUsage, PodUsage, encode
from proto.stream import Stream


async def send_metrics(stats: Stats, stream: Stream) -> None:
    answer = node_usage(await stats.usage(rates=True))
    if answer is None:
        raise StreamRefused("the node's usage cannot be read", 503)
    await stream.write(CHANNEL, encode(answer), eof=True)


def node_usage(sample: NodeSample) -> NodeUsage | None:
    """None: the node itself could not be read."""
    memory, rate = sample.usage.memory, sample.rate
    if memory is None or rate is None:
        return None
    pods = [found for pod in sample.pods if (found := _pod(pod)) is not None]
    return NodeUsage(rate.time, rate.window, rate.nanocores, memory.working_set, pods)


def _pod(pod: PodSample) -> PodUsage | None:
    rates = [one.rate for one in pod.containers if one.rate is not None]
    if not rates:
        return None
    newest = max(rates, key=lambda rate: rate.time)
    containers = [
        ContainerUsage(one.target.name, one.rate.nanocores, one.usage.memory.working_set)
        for one in pod.containers
        if one.rate is not None and one.usage.memory is not None
    ]
    return PodUsage(pod.target.uid, newest.time, newest.window, containers) if containers else None
