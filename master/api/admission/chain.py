"""All plugins of the folder `plugins`, in order. Called by `master.api.registry` for every write."""

import importlib
import pkgutil
from types import ModuleType

from master.api.admission import plugins
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin, ValidatingPlugin
from master.client.protocol import Json


class AdmissionChain:
    """Runs the plugins of each phase one after another; the first refusal ends it."""

    def __init__(self, context: AdmissionContext) -> None:
        modules = _modules()
        self._mutating: tuple[MutatingPlugin, ...] = tuple(
            module.mutating(context) for module in modules if "mutating" in vars(module)
        )
        self._validating: tuple[ValidatingPlugin, ...] = tuple(
            module.validating(context) for module in modules if "validating" in vars(module)
        )

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        """The mutating phase. Raises the StatusError of the plugin that refuses."""
        for plugin in self._mutating:
            await plugin.admit(request, obj)

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        """The validating phase. Raises the StatusError of the plugin that refuses."""
        for plugin in self._validating:
            await plugin.validate(request, obj)


def _modules() -> list[ModuleType]:
    """Raises RuntimeError for a file that is no plugin or has another's order."""
    ordered: dict[int, ModuleType] = {}
    for module_info in pkgutil.iter_modules(plugins.__path__):
        module = importlib.import_module(f"{plugins.__name__}.{module_info.name}")
        if not {"mutating", "validating"} & vars(module).keys():
            raise RuntimeError(f"admission plugin {module_info.name} has neither `mutating` nor `validating`")
        order = module.ORDER
        if order in ordered:
            raise RuntimeError(f"admission plugins {ordered[order].__name__} and {module.__name__} have the same ORDER")
        ordered[order] = module
    return [ordered[order] for order in sorted(ordered)]
