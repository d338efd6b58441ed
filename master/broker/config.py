"""mosquitto.conf and the ACL file, as text.

Identity is the client certificate's common name, which is also the client id: neither can be chosen freely. Source of the
options: mosquitto.conf(5) of mosquitto 2.0.
"""

from dataclasses import dataclass
from pathlib import Path

from proto.envelope import MAX_ENVELOPE_BYTES
from proto.topics import Topics

#: Saved at least this often in seconds. Losing it costs a republish, so the disk is spared.
_AUTOSAVE_SECONDS = 300
#: QoS 1 messages on their way to one client at once: a reconnecting node takes its whole state without a round trip each.
_MAX_INFLIGHT = 1000
#: More than the retained state of one reader: a subscription queues all of it at once.
_MAX_QUEUED = 100_000
_MAX_QUEUED_BYTES = 256 * 1024 * 1024
#: A node that stays away longer starts from the retained messages, which it does anyway.
_SESSION_EXPIRY = "1h"


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """Where the broker's files lie."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "mosquitto.conf"

    @property
    def acl(self) -> Path:
        return self.folder / "acl"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> Path:
        return self.folder / "pid"


def render_config(files: BrokerFiles, *, port: int, address: str, user: str) -> str:
    """mosquitto.conf. `user`: whom a broker started as root becomes."""
    lines = [
        "# Written by wherry-master at each start.",
        "per_listener_settings false",
        f"user {user}",
        "log_dest stderr",
        "log_timestamp false",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages false",
        "allow_anonymous false",
        f"acl_file {files.acl}",
        "persistence true",
        f"persistence_location {files.data}/",
        f"autosave_interval {_AUTOSAVE_SECONDS}",
        f"persistent_client_expiration {_SESSION_EXPIRY}",
        "set_tcp_nodelay true",
        f"max_inflight_messages {_MAX_INFLIGHT}",
        f"max_queued_messages {_MAX_QUEUED}",
        f"max_queued_bytes {_MAX_QUEUED_BYTES}",
        f"max_packet_size {MAX_ENVELOPE_BYTES + 64 * 1024}",
        "max_keepalive 120",
        f"listener {port} {address}".rstrip(),
        "protocol mqtt",
        f"cafile {files.ca}",
        f"certfile {files.certificate}",
        f"keyfile {files.key}",
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
    ]
    return "\n".join(lines) + "\n"


def is_expected_warning(line: str, topics: Topics) -> bool:
    """Whether mosquitto complains that the pattern of the shared topics is the same for all: so it is meant to be.

    Its ACL file has no other way to say something of every user.
    """
    return line == f"Warning: ACL pattern '{topics.shared_filter}' does not contain '%c' or '%u'."


def render_acl(topics: Topics, master_user: str) -> str:
    """The ACL file: every node its own topics, the master its cluster's. Patterns hold for the master too, harmlessly."""
    return "\n".join([*topics.acl_master(master_user), "", *topics.acl_patterns()]) + "\n"
