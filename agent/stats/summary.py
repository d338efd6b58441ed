"""The Summary API: what kubelet's /stats/summary tells, made of samples. Pure; the agent's server asks for it.

Types and meanings: k8s.io/kubelet/pkg/apis/stats/v1alpha1. A pod has no control group of its own here: its sums are over its
containers and its sandbox. What cannot be known is left out, as the types allow: accelerators, user-defined metrics.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.stats.filesystem import FileSystem, Taken
from agent.stats.host import Processes
from agent.stats.network import Interface, Network
from agent.stats.rates import Rate
from agent.stats.samples import ContainerSample, NodeSample, PodDisk, PodSample, VolumeDisk
from agent.stats.usage import Memory, Pressure, PressureShare, Swap, Usage
from proto.k8s.time import format_time

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The node's file systems and what takes of them. `image_bytes`: what all images take; `pods` by uid."""

    root: FileSystem | None
    images: FileSystem | None
    image_bytes: int | None
    pods: Mapping[str, PodDisk] = field(default_factory=dict)


def summary(
    node_name: str, sample: NodeSample, *, boot_time: float, processes: Processes | None, disk: DiskFacts | None
) -> Json:
    """`disk` None: CPU and memory alone are told, as kubelet does with `?only_cpu_and_memory=true`."""
    node: Json = {
        "nodeName": node_name,
        "systemContainers": _system(sample),
        "startTime": _time(boot_time),
        **_usage(sample.usage, sample.rate),
    }
    if disk is not None:
        _put(node, "network", _network(sample.network))
        _put(node, "fs", _filesystem(disk.root))
        node["runtime"] = _runtime(disk)
        if processes is not None:
            node["rlimit"] = {"time": _time(sample.time), "maxpid": processes.highest, "curproc": processes.running}
    return {"node": node, "pods": [_pod(one, disk) for one in sample.pods]}


def _system(sample: NodeSample) -> list[Json]:
    """The node's services, and all pods together."""
    found = [{"name": one.name, "startTime": _time(one.started_at), **_usage(one.usage, one.rate)} for one in sample.system]
    if sample.pods:
        began = min(pod.target.started_at for pod in sample.pods)
        everything = (one for pod in sample.pods for one in pod.everything)
        found.append({"name": "pods", "startTime": _time(began), **_sums(everything)})
    return found


def _runtime(disk: DiskFacts) -> Json:
    layers = [one.layer.used for pod in disk.pods.values() for one in pod.containers.values() if one.layer is not None]
    runtime: Json = {}
    _put(runtime, "imageFs", _filesystem(disk.images, used=disk.image_bytes))
    _put(runtime, "containerFs", _filesystem(disk.images, used=sum(layers)))
    return runtime


def _pod(sample: PodSample, disk: DiskFacts | None) -> Json:
    target = sample.target
    taken = disk.pods.get(target.uid) if disk is not None else None
    pod: Json = {
        "podRef": {"name": target.name, "namespace": target.namespace, "uid": target.uid},
        "startTime": _time(target.started_at),
        "containers": [_container(one, taken, disk) for one in sample.containers],
        **_sums(sample.everything),
    }
    if disk is not None:
        _put(pod, "network", _network(sample.network))
        if sample.processes is not None:
            pod["process_stats"] = {"process_count": sample.processes}
    if disk is not None and taken is not None:
        pod["volume"] = [_volume(one, target.namespace) for one in taken.volumes if one.filesystem is not None]
        whole = Taken(sample.sandbox.usage.time, taken.used, taken.inodes)
        _put(pod, "ephemeral-storage", _filesystem(disk.root, whole))
    return pod


def _container(sample: ContainerSample, taken: PodDisk | None, disk: DiskFacts | None) -> Json:
    container: Json = {
        "name": sample.target.name,
        "startTime": _time(sample.target.started_at),
        **_usage(sample.usage, sample.rate),
    }
    if disk is not None and taken is not None:
        found = taken.containers.get(sample.target.name)
        if found is not None and found.layer is not None:
            _put(container, "rootfs", _filesystem(disk.images, found.layer))
        if found is not None and found.logs is not None:
            _put(container, "logs", _filesystem(disk.images, found.logs))
    return container


def _volume(volume: VolumeDisk, namespace: str) -> Json:
    shown: Json = {**(_filesystem(volume.filesystem, volume.taken) or {}), "name": volume.target.name}
    if volume.target.claim:
        shown["pvcRef"] = {"name": volume.target.claim, "namespace": namespace}
    return shown


def _usage(usage: Usage, rate: Rate | None) -> Json:
    """Of one control group: cpu, memory, io, swap."""
    shown: Json = {}
    at = _time(usage.time)
    if usage.cpu is not None:
        shown["cpu"] = {"time": at, "usageCoreNanoSeconds": usage.cpu}
        if rate is not None:
            shown["cpu"]["usageNanoCores"] = rate.nanocores
        _put(shown["cpu"], "psi", _pressure(usage.cpu_pressure))
    if usage.memory is not None:
        shown["memory"] = _memory(usage.memory, at)
        _put(shown["memory"], "psi", _pressure(usage.memory_pressure))
    if usage.io_pressure is not None:
        shown["io"] = {"time": at, "psi": _pressure(usage.io_pressure)}
    if usage.swap is not None:
        shown["swap"] = _swap(usage.swap, at)
    return shown


def _sums(samples: Iterable[ContainerSample]) -> Json:
    """Of several together. Pressure cannot be summed."""
    everything = list(samples)
    if not everything:
        return {}
    usages = [one.usage for one in everything]
    memories = [one.memory for one in usages if one.memory is not None]
    swaps = [one.swap.usage for one in usages if one.swap is not None]
    limits = [one.usage.memory.limit for one in everything if one.usage.memory is not None and one.target.name]
    memory = Memory(
        usage=sum(one.usage for one in memories),
        working_set=sum(one.working_set for one in memories),
        rss=sum(one.rss for one in memories),
        page_faults=sum(one.page_faults for one in memories),
        major_page_faults=sum(one.major_page_faults for one in memories),
        # Kubernetes limits a pod only when each of its containers is; the sandbox, without a name, never is.
        limit=sum(one for one in limits if one is not None) if limits and None not in limits else None,
    )
    rates = [one.rate for one in everything if one.rate is not None]
    nanocores = sum(one.nanocores for one in rates)
    return _usage(
        Usage(
            time=max(one.time for one in usages),
            cpu=sum(one.cpu for one in usages if one.cpu is not None),
            memory=memory if memories else None,
            swap=Swap(sum(swaps)) if swaps else None,
        ),
        Rate(nanocores, rates[0].window, rates[0].time) if len(rates) == len(everything) else None,
    )


def _memory(memory: Memory, at: str) -> Json:
    shown: Json = {
        "time": at,
        "usageBytes": memory.usage,
        "workingSetBytes": memory.working_set,
        "rssBytes": memory.rss,
        "pageFaults": memory.page_faults,
        "majorPageFaults": memory.major_page_faults,
    }
    if memory.limit is not None:
        shown["availableBytes"] = max(0, memory.limit - memory.working_set)
    return shown


def _swap(swap: Swap, at: str) -> Json:
    shown: Json = {"time": at, "swapUsageBytes": swap.usage}
    if swap.limit is not None:
        shown["swapAvailableBytes"] = max(0, swap.limit - swap.usage)
    return shown


def _pressure(pressure: Pressure | None) -> Json | None:
    if pressure is None:
        return None
    return {"full": _share(pressure.full), "some": _share(pressure.some)}


def _share(share: PressureShare) -> Json:
    return {"total": share.total, "avg10": share.avg10, "avg60": share.avg60, "avg300": share.avg300}


def _network(found: Network | None) -> Json | None:
    if found is None:
        return None
    default = _interface(found.default) if found.default is not None else {"name": ""}
    return {"time": _time(found.time), **default, "interfaces": [_interface(one) for one in found.interfaces]}


def _interface(one: Interface) -> Json:
    return {
        "name": one.name,
        "rxBytes": one.rx_bytes,
        "rxErrors": one.rx_errors,
        "txBytes": one.tx_bytes,
        "txErrors": one.tx_errors,
    }


def _filesystem(found: FileSystem | None, taken: Taken | None = None, *, used: int | None = None) -> Json | None:
    """A file system and what something takes of it; with neither `taken` nor `used`: what everything does."""
    if found is None:
        return None
    shown: Json = {
        "time": _time(taken.time if taken is not None else found.time),
        "availableBytes": found.available,
        "capacityBytes": found.capacity,
        "usedBytes": taken.used if taken is not None else used if used is not None else found.used,
        "inodesFree": found.inodes_free,
        "inodes": found.inodes,
    }
    if taken is not None:
        shown["inodesUsed"] = taken.inodes
    elif used is None:
        shown["inodesUsed"] = found.inodes - found.inodes_free
    return shown


def _time(at: float) -> str:
    return format_time(datetime.fromtimestamp(at, UTC))


def _put(into: Json, name: str, value: Json | None) -> None:
    if value is not None:
        into[name] = value
