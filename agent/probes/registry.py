"""Finds the probe types: every module in this folder that has a PROBER. A broken or doubled one ends the start."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from lightkube.models.core_v1 import LifecycleHandler, Probe

import agent.probes
from agent.probes.protocol import Prober, ProbeResult, ProbeTarget
from agent.runtime.protocol import Streams


@cache
def probers() -> Mapping[str, Prober]:
    """By the field of Probe that asks for it."""
    found: dict[str, Prober] = {}
    for module_info in pkgutil.iter_modules(agent.probes.__path__, "agent.probes."):
        prober: Prober | None = getattr(importlib.import_module(module_info.name), "PROBER", None)
        if prober is None:
            continue
        if prober.source in found:
            raise RuntimeError(f"two probers for {prober.source}")
        found[prober.source] = prober
    return found


async def probe_once(spec: Probe | LifecycleHandler, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
    """Ask a container once in the way that the manifest names."""
    for source, prober in probers().items():
        handler = getattr(spec, source, None)
        if handler is not None:
            return await prober.probe(handler, target, timeout=timeout, streams=streams)
    return ProbeResult("unknown", "missing probe handler")
