"""Every file in master/controllers is a controller that registers properly; a new one is picked up by itself."""

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import master.controllers
from master.controllers.context import Controller
from master.controllers.registry import RegistryError, controller_class, controller_modules, load

FOLDER = Path(next(iter(master.controllers.__path__)))
SOURCES = sorted(path for path in FOLDER.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """All modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("module", controller_modules())
def test_a_file_holds_one_controller_that_is_given_its_context_alone(module: str) -> None:
    found = controller_class(importlib.import_module(module))
    assert list(inspect.signature(found).parameters) == ["context"]
    assert found.__doc__
    assert list(load([module]).values()) == [found]


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(FOLDER)) for path in SOURCES])
def test_no_file_imports_a_controller_the_api_or_the_store(path: Path) -> None:
    forbidden = ("master.api", "master.store", "master.fleet", "master.scheduler", *controller_modules())
    wrong = [name for name in imported(path) if any(name == each or name.startswith(f"{each}.") for each in forbidden)]
    assert wrong == []


def test_names_are_those_of_the_whole_folder() -> None:
    names = load()
    assert len(names) == len(controller_modules())
    assert {"deployment", "replicaset", "endpointslice", "namespace", "garbage-collector", "node-lifecycle"} <= names.keys()


def module_with(*names: str) -> ModuleType:
    module = ModuleType("made_up")
    for name in names:

        async def run(self: Controller) -> None:
            """Nothing to do."""

        made = type(name, (), {"name": name, "run": run, "__module__": "made_up"})
        setattr(module, name, made)
    return module


@pytest.mark.parametrize("names", [(), ("One", "Two")])
def test_a_file_with_no_controller_or_with_two_stops_the_start(names: tuple[str, ...]) -> None:
    with pytest.raises(RegistryError, match="exactly one controller"):
        controller_class(module_with(*names))


def test_two_controllers_of_one_name_stop_the_start() -> None:
    module = controller_modules()[0]
    with pytest.raises(RegistryError, match="both call themselves"):
        load([module, module])


def test_a_file_that_does_not_import_stops_the_start() -> None:
    with pytest.raises(ImportError):
        load(["master.controllers.absent"])
