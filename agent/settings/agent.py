"""The agent's settings: /etc/wherry-agent/config.yaml, which `wherry-agent join` writes, with flags over it.

Frozen and validated once at start; every component is given its slice by `agent.app`. Nothing else reads files or the
environment for configuration. An unknown or wrong setting stops the start with a message that names it and the file.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from agent.settings.kubelet import KubeletSettings
from proto.daemon import settings as base
from proto.daemon.settings import Settings

DEFAULT_CONFIG_DIR = Path("/etc/wherry-agent")
DEFAULT_CONFIG = DEFAULT_CONFIG_DIR / "config.yaml"
DEFAULT_DATA_DIR = "/var/lib/wherry-agent"
DEFAULT_DOCKER = "unix:///var/run/docker.sock"
DEFAULT_HEALTH_PORT = 10248

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
NodeName = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
#: Kubernetes' label keys and values: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_LABEL_KEY = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")


_FILES = ("certificate", "key", "ca", "signing_key", "sealing_key")


class BrokerSettings(Settings, frozen=True):
    """Where the MQTT broker is; the connection is always mutual TLS."""

    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Port = 8883


class HealthSettings(Settings, frozen=True):
    """Where /healthz, /livez, /readyz, /metrics and /pods are served. Loopback only: they are not authenticated."""

    address: str = "127.0.0.1"
    port: Port = DEFAULT_HEALTH_PORT

    def __post_init__(self) -> None:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise ValueError(f"address {self.address!r} is not an IP address") from None
        if not loopback:
            raise ValueError(f"address {self.address} is not a loopback address")


class AgentSettings(Settings, frozen=True):
    """All settings of the agent. Relative file names are relative to the folder of the settings file.

    node_name          the Node's name; the certificate is for it
    cluster            the cluster's id: the root of its MQTT topics
    broker             host and port of the broker
    certificate, key   the node's client certificate and its key (PEM)
    ca                 the cluster CA (PEM), which the broker's certificate must be signed by
    signing_key        the master's public key that orders are signed with (Ed25519, base64)
    sealing_key        the private key that secrets are sealed to (X25519, base64)
    data_dir           checkpoint, pod volumes and logs
    docker             the engine's socket: "unix:///path" or "tcp://host:port"
    docker_concurrency how many starts and stops the engine is given at once
    proxy_mode         kube-proxy: nftables (kernel), userspace (no privilege), or auto: nftables where it works
    node_port_addresses CIDRs of the node's addresses that answer on node ports; none: all
    node_addresses     the node's own addresses (InternalIP), the first for pods with host network; none: found out
    node_labels        further labels of the Node
    kubelet            how pods run (agent.settings.kubelet)
    health             where health and metrics are served
    log_level          DEBUG, INFO, WARNING or ERROR
    """

    node_name: NodeName
    cluster: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]{0,252}$")]
    broker: BrokerSettings
    certificate: str = "node.crt"
    key: str = "node.key"
    ca: str = "ca.crt"
    signing_key: str = "signing.pub"
    sealing_key: str = "sealing.key"
    data_dir: str = DEFAULT_DATA_DIR
    docker: Annotated[str, msgspec.Meta(pattern=r"^(unix|tcp|http|https)://.")] = DEFAULT_DOCKER
    docker_concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    proxy_mode: Literal["nftables", "userspace", "auto"] = "auto"
    node_port_addresses: tuple[str, ...] = ()
    node_addresses: tuple[str, ...] = ()
    node_labels: dict[str, str] = msgspec.field(default_factory=dict)
    health: HealthSettings = HealthSettings()
    kubelet: KubeletSettings = KubeletSettings()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def __post_init__(self) -> None:
        if not os.path.isabs(self.data_dir):
            raise ValueError(f"data_dir {self.data_dir!r} must be an absolute path")
        _check("node_port_addresses", self.node_port_addresses, ipaddress.ip_network)
        _check("node_addresses", self.node_addresses, ipaddress.ip_address)
        for key, value in self.node_labels.items():
            if len(key) > 317 or not _LABEL_KEY.match(key):
                raise ValueError(f"node_labels: {key!r} is not a label key")
            if not _LABEL_VALUE.match(value):
                raise ValueError(f"node_labels: {value!r} is not a label value")


def load(path: Path, flags: Mapping[str, Any] | None = None) -> AgentSettings:
    """The validated settings with absolute file names. Raises InvalidSettings."""
    settings = base.load(AgentSettings, path, flags)
    folder = path.absolute().parent
    return msgspec.structs.replace(settings, **{name: str(folder / getattr(settings, name)) for name in _FILES})


def _check(setting: str, values: Iterable[str], parse: Callable[[str], object]) -> None:
    for value in values:
        try:
            parse(value)
        except ValueError as error:
            raise ValueError(f"{setting}: {error}") from None
