"""The agent's settings: what join writes loads, what is wrong is named, files are beside the settings file."""

from pathlib import Path

import pytest

from agent.settings import InvalidSettings, load

_LEAST = "node_name: n1\ncluster: c\nbroker: {host: h}\n"


def write(tmp_path: Path, more: str = "", least: str = _LEAST) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(least + more)
    return path


def test_defaults_and_files_beside_the_settings_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path))
    assert settings.key == str(tmp_path / "node.key")
    assert (settings.broker.port, settings.health.port, settings.proxy_mode) == (8883, 10248, "auto")
    assert load(write(tmp_path, "key: /elsewhere/k\n")).key == "/elsewhere/k"


def test_flags_lie_over_the_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path), {"broker.port": 1883, "docker": "tcp://h:1", "log_level": None})
    assert (settings.broker.port, settings.docker, settings.log_level) == (1883, "tcp://h:1", "INFO")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("nodename: x\n", "nodename"),
        ("proxy_mode: ipvs\n", "proxy_mode"),
        ("docker: /var/run/docker.sock\n", "docker"),
        ("data_dir: relative\n", "data_dir"),
        ("health: {address: 0.0.0.0}\n", "loopback"),
        ("health: {address: localhost}\n", "not an IP address"),
        ("health: {port: 0}\n", "health.port"),
        ("node_addresses: [x]\n", "node_addresses"),
        ("node_port_addresses: [10.0.0.1/8]\n", "node_port_addresses"),
        ("node_labels: {'a b': c}\n", "a b"),
        ("node_labels: {a: 'c d'}\n", "c d"),
        ("kubelet: {system_reserved: {cpu: much}}\n", "system_reserved"),
        ("kubelet: {max_pods: 0}\n", "max_pods"),
        ("kubelet: {kube_reserved: {memory: -1Mi}}\n", "kube_reserved"),
        ("kubelet: {eviction_hard: {disk: 10%}}\n", "unsupported eviction signal disk"),
        ("kubelet: {eviction_hard: {memory.available: lots}}\n", "memory.available"),
        ("kubelet: {eviction_hard: {memory.available: 101%}}\n", "between 0% and 100%"),
        ('kubelet: {eviction_hard: {memory.available: "0"}}\n', "must be positive"),
        ("kubelet: {eviction_soft: {memory.available: 1Gi}}\n", "grace period must be specified"),
        ("kubelet: {static_pod_path: manifests}\n", "static_pod_path"),
        ("kubelet: {shutdown_grace_period: 10, shutdown_grace_period_critical_pods: 20}\n", "must not be longer"),
        ("kubelet: {system_reserved: {pid: '-1'}}\n", "must not be negative"),
        ("kubelet: {pod_pids_limit: -2}\n", "pod_pids_limit"),
        ("kubelet: {allowed_unsafe_sysctls: [vm.swappiness]}\n", "not known to be namespaced"),
        ("kubelet: {allowed_unsafe_sysctls: ['net.*.x']}\n", "no sysctl"),
        ("kubelet: {extended_resources: {gpu: {count: 1}}}\n", "'gpu' is not the name"),
        ("kubelet: {extended_resources: {kubernetes.io/gpu: {count: 1}}}\n", "is not the name"),
        ("kubelet: {extended_resources: {x.io/gpu: {}}}\n", "either ids or count"),
        ("kubelet: {extended_resources: {x.io/gpu: {ids: [a, a]}}}\n", "not unique"),
        ("kubelet: {extended_resources: {x.io/gpu: {ids: [a], devices: [dev]}}}\n", "no device"),
        ("kubelet: {extended_resources: {x.io/gpu: {count: 2, driver: nvidia}}}\n", "need ids"),
        ("docker_concurrency: 1000\n", "docker_concurrency"),
        ("log_level: info\n", "log_level"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, more: str, named: str) -> None:
    path = write(tmp_path, more)
    with pytest.raises(InvalidSettings) as caught:
        load(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["N1", "a_b", "-a", "a" * 254, "", "a..b", "a/b", "+", "#"])
def test_node_names_are_dns_subdomains(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSettings, match="node_name"):
        load(write(tmp_path, least=f"node_name: '{name}'\ncluster: c\nbroker: {{host: h}}\n"))
