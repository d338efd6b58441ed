"""Finds the controllers: imports every module of this folder and takes the one Controller class that each must hold.

Called by `master.app` at start, through `build_controllers`. Anything odd in the folder stops the start: a controller that is
silently absent is worse than a master that does not come up.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import TypeGuard

import master.controllers as folder
from master.controllers.context import Controller, ControllerContext

_NOT_CONTROLLERS = frozenset({"context", "registry"})


class RegistryError(Exception):
    """A file in the folder is no controller, or two controllers claim one name."""


def controller_modules() -> list[str]:
    """The full names of the modules that must hold a controller. Folders hold parts of controllers, not controllers."""
    return [
        f"{folder.__name__}.{module.name}"
        for module in pkgutil.iter_modules(folder.__path__)
        if not module.ispkg and module.name not in _NOT_CONTROLLERS
    ]


def controller_class(module: ModuleType) -> type[Controller]:
    """The module's controller. Raises RegistryError when it holds none, or several."""
    found: list[type[Controller]] = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and _is_controller(value)
    ]
    if len(found) != 1:
        names = ", ".join(value.__name__ for value in found) or "none"
        raise RegistryError(f"{module.__name__} must hold exactly one controller, it holds {names}")
    return found[0]


def load(modules: Sequence[str] | None = None) -> dict[str, type[Controller]]:
    """Every controller class by its name. Raises RegistryError; an import error passes through."""
    classes: dict[str, type[Controller]] = {}
    for path in controller_modules() if modules is None else modules:
        found = controller_class(importlib.import_module(path))
        name = str(found.name)
        if name in classes:
            raise RegistryError(f"{path} and {classes[name].__module__} both call themselves {name!r}")
        classes[name] = found
    return classes


def build_controllers(context: ControllerContext) -> list[Controller]:
    """One instance of each controller, ready to run. Raises RegistryError."""
    built: list[Controller] = []
    for kind in load().values():
        factory: type = kind
        built.append(factory(context))
    return built


def _is_controller(value: type) -> TypeGuard[type[Controller]]:
    return isinstance(getattr(value, "name", None), str) and inspect.iscoroutinefunction(getattr(value, "run", None))
