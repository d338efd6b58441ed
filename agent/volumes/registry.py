"""Finds the volume types: every module in this folder that has a PLUGIN. A broken or doubled one ends the start."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from lightkube.models.core_v1 import PersistentVolumeSpec, Volume

import agent.volumes
from agent.volumes.csi import MIGRATED, missing_driver
from agent.volumes.protocol import VolumeNotProcessed, VolumePlugin


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


def plugin_for(volume: Volume, persistent: PersistentVolumeSpec | None = None) -> VolumePlugin:
    """persistent: of the PersistentVolume that is behind the volume's claim.

    Raises VolumeNotProcessed when no type fits, MountFailed for a type that Kubernetes hands to a driver.
    """
    asked: Volume | PersistentVolumeSpec = volume if persistent is None else persistent
    for source, plugin in plugins().items():
        if getattr(asked, source, None) is not None:
            return plugin
    for source, driver in MIGRATED.items():
        if getattr(asked, source, None) is not None:
            raise missing_driver(driver, inline=persistent is None)
    if persistent is None and not any(getattr(volume, one) is not None for one in volume.__struct_fields__ if one != "name"):
        # Kubernetes' default source.
        return plugins()["emptyDir"]
    raise VolumeNotProcessed(f'failed to get Plugin from volumeSpec for volume "{volume.name}" err=no volume plugin matched')
