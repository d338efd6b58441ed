"""setup.cfg requires what the code imports, no more and no less."""

import ast
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_OURS = ("agent", "master", "proto")
#: Used, but not by an import statement: Kubernetes' types come out of files, zones by zoneinfo.
_BY_NAME = {"kubernetes-validate", "tzdata"}


def _imported() -> set[str]:
    modules: set[str] = set()
    for package in _OURS:
        for file in (_ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules.add(node.module)
    return modules


def test_requirements_are_the_imports() -> None:
    config = ConfigParser()
    config.read(_ROOT / "setup.cfg")
    required = {line.split(">=")[0].lower() for line in config["options"]["install_requires"].split()}
    distributions = packages_distributions()
    found = set(_BY_NAME)
    for module in _imported():
        top = module.split(".")[0]
        if top in _OURS or top in sys.stdlib_module_names:
            continue
        # lightkube and lightkube-models share their top level.
        owners = {owner.lower().replace("_", "-") for owner in distributions[top]}
        found |= (
            {"lightkube-models" if module.startswith("lightkube.models") else "lightkube"} if top == "lightkube" else owners
        )
    assert found == required
