from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from master.cli import arguments, main
from master.cli.token import token_secret


def test_init_writes_keys_kubeconfig_and_the_settings_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "etc" / "config.yaml"
    flags = ["--config", str(config), "--data-dir", str(tmp_path / "data"), "--advertise-address", "192.0.2.9"]
    assert main(["init", *flags, "--listen-port", "7443"]) == 0
    assert yaml.safe_load(config.read_text()) == {
        "data_dir": str(tmp_path / "data"),
        "advertise_address": "192.0.2.9",
        "listen": {"port": 7443},
    }
    kubeconfig = tmp_path / "data" / "admin.kubeconfig"
    assert yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == "https://192.0.2.9:7443"
    assert kubeconfig.stat().st_mode & 0o077 == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["init", "--config", str(config)]) == 0
    assert "everything is there already" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_wrong_setting_stops_with_one_line_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("listen: {prot: 1}\n")
    assert main(["init", "--config", str(config), "--data-dir", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "prot" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", [["run"], ["token", "create"], ["token", "list"]])
def test_before_init_every_command_says_to_run_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--data-dir", str(tmp_path / "d")]) == 1
    assert "wherry-master init" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("15m", 900), ("90s", 90), ("2d", 172800), ("0", 0)]
)
def test_durations_are_written_as_in_go(text: str, seconds: int) -> None:
    assert arguments.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1x", "-1h", "1h 5m"])
def test_other_durations_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments.parse(["token", "create", f"--ttl={text}"])
    assert "not a duration" in capsys.readouterr().err


def test_a_token_is_the_secret_that_kubernetes_defines() -> None:
    secret = token_secret("abcdef", "0123456789abcdef", ttl=timedelta(hours=1))
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert secret["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert set(secret["data"]) == {
        "token-id",
        "token-secret",
        "expiration",
        "usage-bootstrap-authentication",
        "usage-bootstrap-signing",
    }
    assert "expiration" not in token_secret("abcdef", "0123456789abcdef", ttl=timedelta())["data"]
