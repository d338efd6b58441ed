"""Settings: YAML, flags over it, and errors that name the file and the setting."""

from pathlib import Path

import pytest

from proto.daemon.settings import InvalidSettings, Settings, load


class Inner(Settings, frozen=True):
    mode: str = "auto"


class Outer(Settings, frozen=True):
    name: str
    port: int = 1
    inner: Inner = Inner()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_flags_lie_over_the_file_and_none_is_not_given(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nport: 2\n")
    settings = load(Outer, path, {"port": 3, "inner.mode": "x", "name": None})
    assert settings == Outer(name="a", port=3, inner=Inner(mode="x"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: a\nprot: 2\n", "prot"),
        ("name: a\nport: x\n", "port"),
        ("port: 1\n", "name"),
        ("name: a\ninner: {mod: x}\n", "mod"),
        ("name: a\ninner: 3\n", "inner"),
        ("- a\n", "mapping"),
        ("name: [", "not YAML"),
        ("name: !!python/object:os.system x\n", "not YAML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidSettings) as caught:
        load(Outer, path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="No such file"):
        load(Outer, tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidSettings, match="not YAML"):
        load(Outer, binary)


def test_an_empty_file_is_no_settings(tmp_path: Path) -> None:
    assert load(Inner, write(tmp_path, "")) == Inner()


def test_a_flag_below_a_value_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="inner"):
        load(Outer, write(tmp_path, "name: a\ninner: 3\n"), {"inner.mode": "x"})
