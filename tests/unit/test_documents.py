"""What documents say of code and of each other is so: settings are listed, decisions are numbered, links lead somewhere."""

import json
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from agent.settings import AgentSettings
from master.api.kinds.registry import KINDS
from master.settings import MasterSettings
from proto.daemon.settings import Settings

_ROOT = Path(__file__).parents[2]
_DECISIONS = sorted((_ROOT / "docs" / "adr").glob("*.md"))
_DOCUMENTS = [*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md"), *(_ROOT / "bench").glob("*.md")]
_ROW = re.compile(r"^\| `([a-z_.]+)` \| (?:`([^`]*)`|([a-z ]+)) \| \S.* \|$", re.MULTILINE)


def _settings(kind: type[Settings], prefix: str = "") -> dict[str, str]:
    """Each setting's dotted name with its default, as the document writes it."""
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name
        types = (field.type, *get_args(field.type))
        inner = next((one for one in types if isinstance(one, type) and issubclass(one, Settings)), None)
        if inner is not None:
            if inner is not field.type:
                found[name] = "a mapping"
            found |= _settings(inner, f"{name}.")
        else:
            found[name] = _default(field)
    return found


def _default(field: Any) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


@pytest.mark.parametrize(("heading", "kind"), [("Master", MasterSettings), ("Agent", AgentSettings)])
def test_every_setting_is_documented_with_its_default(heading: str, kind: type[Settings]) -> None:
    text = (_ROOT / "docs" / "settings.md").read_text()
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    documented = {name: default or word for name, default, word in _ROW.findall(section)}
    assert documented == _settings(kind)


def test_every_dependency_has_its_reason() -> None:
    config = ConfigParser()
    config.read(_ROOT / "setup.cfg")
    required = config["options"]["install_requires"].split() + config["options.extras_require"]["test"].split()
    reasons = (_ROOT / "ARCHITECTURE.md").read_text().split("\n## Parts and why\n")[1]
    # "pytest with -asyncio and -timeout" stands for three.
    named = set(re.findall(r"[A-Za-z0-9-]+", reasons)) | {f"pytest{name}" for name in re.findall(r"-[a-z]+", reasons)}
    assert not {line.split(">=")[0] for line in required} - named


def test_every_kind_is_listed() -> None:
    listed = (_ROOT / "README.md").read_text().split("\n## Kinds\n")[1].split("\n## ")[0]
    assert not {kind.kind for kind in KINDS} - set(re.findall(r"[A-Za-z]+", listed))


def test_decisions_are_numbered_one_by_one() -> None:
    assert [int(file.name[:4]) for file in _DECISIONS] == list(range(1, len(_DECISIONS) + 1))
    for file in _DECISIONS:
        assert file.read_text().startswith(f"# {int(file.name[:4])}. "), file.name


@pytest.mark.parametrize("file", _DECISIONS, ids=lambda file: file.name)
def test_a_decision_says_its_context_and_consequences(file: Path) -> None:
    text = file.read_text()
    for part in ("Context", "Decision", "Consequences"):
        assert re.search(rf"^(\*\*|## )?{part}s?[.:]?", text, re.MULTILINE), part


def test_decisions_that_code_and_documents_name_are_there() -> None:
    files = [*_DOCUMENTS, *(file for package in ("agent", "master", "proto") for file in (_ROOT / package).rglob("*.py"))]
    named = {int(number) for file in files for number in re.findall(r"\bADR (\d+)", file.read_text())}
    assert named
    assert named <= set(range(1, len(_DECISIONS) + 1))


@pytest.mark.parametrize("file", _DOCUMENTS, ids=lambda file: str(file.relative_to(_ROOT)))
def test_links_lead_to_files(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", file.read_text())
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("file", _DOCUMENTS, ids=lambda file: str(file.relative_to(_ROOT)))
def test_links_to_decisions_lead_to_the_one_that_they_name(file: Path) -> None:
    for number, target in re.findall(r"\[ADR (\d+)\]\(([^)]*)\)", file.read_text()):
        assert Path(target).name.startswith(f"{int(number):04}-"), target
