"""How the tests are spread over processes under pytest-xdist (`tests/run`). A plugin of tests/conftest.py.

A file's tests stay in one process, since they share its cluster. What uses this machine's own engine and network is one piece:
two of those never run at a time. The slowest folders come first, so that the many short tests fill the end.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_ORDER = ("e2e", "integration", "contract", "security", "unit")
#: Files, by how their names begin.
_MACHINE = (
    "tests/contract/test_runtime",
    "tests/integration/test_docker_network",
    "tests/integration/test_kubelet_",
    "tests/integration/test_node_shutdown",
    "tests/e2e/test_quickstart",
)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return "this machine" if nodeid.startswith(_MACHINE) else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order of the items is meant
    return _ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    ranks = {name: rank for rank, name in enumerate(_ORDER)}
    tests = config.rootpath / "tests"

    def rank(item: pytest.Item) -> int:
        parts: Sequence[str] = item.path.relative_to(tests).parts
        return ranks.get(parts[0], 0)

    items.sort(key=rank)
