"""Finds the scheduler's plugins: every file in `master.scheduler.plugins`. Fails at start when one is no plugin."""

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from master.scheduler import plugins as folder
from master.scheduler.cluster import Cluster
from master.scheduler.framework import CrossNodeFilter, CrossNodeScore, Filter, Plugin, Score


class RegistryError(Exception):
    """A file in the plugins' folder is no plugin, or takes a name that is taken."""


@dataclass(frozen=True, slots=True)
class Plugins:
    """All plugins, by what they do; filters in the order in which they are asked."""

    filters: Sequence[Filter]
    scores: Sequence[Score]
    cross_filters: Sequence[CrossNodeFilter]
    cross_scores: Sequence[CrossNodeScore]


def load_plugins(cluster: Cluster, package: ModuleType = folder) -> Plugins:
    """Import the folder and build each plugin. Raises RegistryError; an import error goes through as it is."""
    found: dict[str, Plugin] = {}
    for module_info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(module_info.name)
        plugin = _plugin_class(module)(cluster)
        kinds = (Filter, Score, CrossNodeFilter, CrossNodeScore)
        if not isinstance(plugin, Plugin) or not any(isinstance(plugin, kind) for kind in kinds):
            raise RegistryError(f"{module.__name__}: {type(plugin).__name__} neither filters nor scores")
        if plugin.name in found:
            raise RegistryError(f"{module.__name__}: another plugin is named {plugin.name} already")
        found[plugin.name] = plugin
    return Plugins(
        filters=sorted((p for p in found.values() if isinstance(p, Filter)), key=lambda p: (p.order, p.name)),
        scores=[p for p in found.values() if isinstance(p, Score)],
        cross_filters=sorted((p for p in found.values() if isinstance(p, CrossNodeFilter)), key=lambda p: (p.order, p.name)),
        cross_scores=[p for p in found.values() if isinstance(p, CrossNodeScore)],
    )


def _plugin_class(module: ModuleType) -> type:
    classes = [
        member
        for name, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and not name.startswith("_")
    ]
    if len(classes) != 1:
        raise RegistryError(f"{module.__name__}: one public class is the plugin, found {len(classes)}")
    return classes[0]
