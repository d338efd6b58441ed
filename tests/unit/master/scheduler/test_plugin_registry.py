"""The registry of plugins finds files and refuses what is none."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from master.scheduler.cluster import Cluster
from master.scheduler.registry import RegistryError, load_plugins

SCORE = """
class Mine:
    name = "Mine"
    weight = 1
    normalized = False
    def __init__(self, cluster): pass
    def score(self, pod, node): return 1.0
"""


def test_kubernetes_filters_come_in_their_order() -> None:
    plugins = load_plugins(Cluster())
    assert [plugin.name for plugin in plugins.filters] == [
        "NodeUnschedulable",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
    ]
    assert [plugin.name for plugin in plugins.cross_filters] == ["PodTopologySpread", "InterPodAffinity"]
    assert {plugin.name for plugin in plugins.scores} >= {"ImageLocality", "NodeResourcesBalancedAllocation", "OwnerSpread"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ModuleType]:
    package = ModuleType("some_plugins")
    package.__path__ = [str(tmp_path)]
    sys.modules["some_plugins"] = package
    yield package
    for name in [name for name in sys.modules if name.startswith("some_plugins")]:
        del sys.modules[name]


def test_a_file_is_a_plugin(folder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCORE)
    assert [plugin.name for plugin in load_plugins(Cluster(), folder).scores] == ["Mine"]


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"a": SCORE, "b": SCORE}, "named Mine already"),
        ({"a": "x = 1"}, "one public class"),
        ({"a": SCORE + "class Other: pass\n"}, "one public class"),
        ({"a": "class Idle:\n    name = 'Idle'\n    def __init__(self, cluster): pass\n"}, "neither filters nor scores"),
    ],
)
def test_what_is_no_plugin_stops_the_start(folder: ModuleType, tmp_path: Path, files: dict[str, str], error: str) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(RegistryError, match=error):
        load_plugins(Cluster(), folder)


def test_a_file_that_does_not_import_stops_the_start(folder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    with pytest.raises(ModuleNotFoundError):
        load_plugins(Cluster(), folder)
