"""What a client is told of names that are allowed and make poor host names (the strategies' WarningsOnCreate)."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.rules import names

Json = dict[str, Any]

_USE = "metadata.name: this is used in {}, which can result in surprising behavior; a DNS label is recommended: [{}]"


def warn_of_pod_name(obj: Json, old: Json | None) -> Sequence[str]:
    """A pod's name is its host name."""
    return _warnings(obj, old, "the Pod's hostname")


def warn_of_workload_name(obj: Json, old: Json | None) -> Sequence[str]:
    """A workload's name begins its pods' names."""
    return _warnings(obj, old, "Pod names and hostnames")


def _warnings(obj: Json, old: Json | None, use: str) -> Sequence[str]:
    wrong = names.dns1123_label(obj["metadata"].get("name") or "") if old is None else ()
    return [_USE.format(use, " ".join(wrong))] if wrong else []
