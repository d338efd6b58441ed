"""What the kubelet must remember of a pod beyond what the engine's labels say, in one small file per pod.

Written only when something in it changes: an idle agent writes nothing. A lost or broken file costs exact transition times
and one readiness probe, nothing else, so it is not synced to disk.
"""

import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

log = logging.getLogger(__name__)


class ConditionRecord(msgspec.Struct, frozen=True):
    status: str
    since: datetime


class Amounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """CPU and memory of a container, as its manifest wrote them."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class PodRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """start_time: when the node first saw the pod. ready, started: ids of containers whose probes had said so.

    ending_since: when its deletion's grace began. phase: set once the pod has ended for good; it is never run again.
    allocated: what the node gave each container; None before its first look. actuated: while a resize goes on, what the
    containers had before it (see agent.kubelet.resize.plan).
    grace: seconds that the node gave it for that, when it was not the pod's own end. disruption: the message of its condition
    DisruptionTarget. refused: the node did not take it. devices: ids that each container was given, by resource.
    """

    start_time: datetime
    conditions: dict[str, ConditionRecord] = {}
    ready: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    pod_ips: tuple[str, ...] = ()
    ending_since: datetime | None = None
    phase: Literal["", "Succeeded", "Failed"] = ""
    reason: str = ""
    message: str = ""
    allocated: dict[str, Amounts] | None = None
    actuated: dict[str, Amounts] = {}
    grace: float | None = None
    disruption: str = ""
    refused: bool = False
    devices: dict[str, dict[str, tuple[str, ...]]] = {}


def load(path: Path) -> PodRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=PodRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("a pod's record cannot be read and is begun anew", extra={"path": path, "error": error})
        return None


def save(path: Path, record: PodRecord) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(record))
    os.replace(fresh, path)
