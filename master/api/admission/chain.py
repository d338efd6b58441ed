"""All plugins of the folder `plugins`, in order. Called by `master.api.registry` for every write."""

import importlib
import pkgutil

from master.api.admission import plugins
from master.api.admission.protocol import AdmissionPlugin, AdmissionRequest, ObjectReader, PluginFactory
from master.client.protocol import Json


class AdmissionChain:
    """Runs the plugins one after another; the first refusal ends it."""

    def __init__(self, reader: ObjectReader) -> None:
        self._plugins: tuple[AdmissionPlugin, ...] = tuple(factory(reader) for factory in _factories())

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        """Raises the StatusError of the plugin that refuses."""
        for plugin in self._plugins:
            await plugin.admit(request, obj)


def _factories() -> list[PluginFactory]:
    ordered: dict[int, tuple[str, PluginFactory]] = {}
    for module_info in pkgutil.iter_modules(plugins.__path__):
        module = importlib.import_module(f"{plugins.__name__}.{module_info.name}")
        order = module.ORDER
        if order in ordered:
            raise RuntimeError(f"admission plugins {ordered[order][0]} and {module_info.name} have the same ORDER")
        ordered[order] = (module_info.name, module.plugin)
    return [ordered[order][1] for order in sorted(ordered)]
