"""Finds the volume types: every module in this folder that has a PLUGIN. A broken or doubled one ends the start."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from lightkube.models.core_v1 import Volume

import agent.volumes
from agent.volumes.protocol import MountFailed, VolumePlugin


@cache
def plugins() -> Mapping[str, VolumePlugin]:
    """By the field of Volume that asks for it."""
    found: dict[str, VolumePlugin] = {}
    for module_info in pkgutil.iter_modules(agent.volumes.__path__, "agent.volumes."):
        plugin: VolumePlugin | None = getattr(importlib.import_module(module_info.name), "PLUGIN", None)
        if plugin is None:
            continue
        if plugin.source in found:
            raise RuntimeError(f"two volume plugins for {plugin.source}")
        found[plugin.source] = plugin
    return found


def plugin_for(volume: Volume) -> VolumePlugin:
    """Raises MountFailed when no type fits."""
    for source, plugin in plugins().items():
        if getattr(volume, source, None) is not None:
            return plugin
    if not any(getattr(volume, field) is not None for field in volume.__struct_fields__ if field != "name"):
        # Kubernetes' default source.
        return plugins()["emptyDir"]
    raise MountFailed("no volume plugin matched")
