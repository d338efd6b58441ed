from pathlib import Path

import msgspec
import pytest

from master import settings
from master.api.settings import ApiSettings
from master.settings import BrokerSettings, LimitSettings
from proto.daemon.settings import InvalidSettings


def _load(tmp_path: Path, text: str, **flags: object) -> settings.MasterSettings:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return settings.load(path, {key.replace("__", "."): value for key, value in flags.items()})


def test_flags_lie_over_the_file(tmp_path: Path) -> None:
    loaded = _load(tmp_path, "listen: {port: 7000, address: 127.0.0.1}\n", listen__port=7001, log_level=None)
    assert (loaded.listen.port, loaded.listen.address, loaded.log_level) == (7001, "127.0.0.1", "INFO")


def test_a_broker_is_a_mapping_or_a_url(tmp_path: Path) -> None:
    assert _load(tmp_path, "broker: {port: 9000}").broker == BrokerSettings(port=9000)
    assert _load(tmp_path, "broker: mqtts://b.example:9001").broker == "mqtts://b.example:9001"
    assert settings.broker_address("mqtts://b.example") == ("b.example", 8883)
    assert settings.broker_address("mqtts://[::1]:9") == ("::1", 9)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("lissten: {}", "lissten"),
        ("listen: {port: http}", "listen.port"),
        ("listen: {port: 70000}", "listen.port"),
        ("broker: mqtt://b:1883", "broker"),
        ("broker: mqtts://b:x", "broker"),
        ("broker: {prot: 1}", "prot"),
        ("network: {cluster_cidr: 10.244.0.0/33}", "network.cluster_cidr"),
        ("network: {cluster_cidr: 127.0.0.0/8}", "network.cluster_cidr"),
        ("network: {cluster_cidr: 10.244.0.1/16}", "network.cluster_cidr"),
        ("network: {service_cidr: 10.244.9.0/24}", "network.service_cidr"),
        ("network: {service_cidr: 10.96.0.0/30}", "network.service_cidr"),
        ("network: {node_prefix: 16}", "network.node_prefix"),
        ("network: {cluster_dns: dns.example}", "network.cluster_dns"),
        ("limits: {max_long_running: 1}", "max_long_running"),
        ("limits: {queue_wait_seconds: 0}", "queue_wait_seconds"),
        ("limits: {max_connection: 100}", "max_connection"),
        ("log_level: LOUD", "log_level"),
        ("heartbeat_seconds: 5", "heartbeat_seconds"),
        ("- a", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InvalidSettings, match=named) as caught:
        _load(tmp_path, text)
    assert "config.yaml" in str(caught.value)


def test_limits_are_the_apis_own_and_may_be_set(tmp_path: Path) -> None:
    assert ApiSettings(**msgspec.structs.asdict(LimitSettings())) == ApiSettings()
    limits = _load(tmp_path, "limits: {max_in_flight: 50, drain_seconds: 0}", limits__max_long_running=100).limits
    api = ApiSettings(**msgspec.structs.asdict(limits))
    assert (api.max_in_flight, api.drain_seconds, api.max_long_running, api.max_connections) == (50, 0, 100, 25_000)


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"none\.yaml"):
        settings.load(tmp_path / "none.yaml")


def test_the_kubernetes_service_takes_the_first_service_address() -> None:
    assert settings.load(None, {"network.service_cidr": "10.50.0.0/16"}).network.api_service_address == "10.50.0.1"
