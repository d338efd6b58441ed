"""The list of kinds."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from master.api.kinds.kind import Kind
from master.api.kinds.registry import KINDS, DuplicateKind, Kinds
from master.api.schema.schemas import Schemas


def test_every_kind_of_the_first_release_is_declared() -> None:
    assert {(kind.api_version, kind.kind) for kind in KINDS} >= {
        ("v1", "Namespace"), ("v1", "Node"), ("v1", "Pod"), ("v1", "Service"), ("v1", "Endpoints"), ("v1", "ConfigMap"),
        ("v1", "Secret"), ("v1", "ServiceAccount"), ("v1", "Event"), ("events.k8s.io/v1", "Event"),
        ("discovery.k8s.io/v1", "EndpointSlice"), ("coordination.k8s.io/v1", "Lease"), ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
    }  # fmt: skip


def test_kinds_are_found_by_resource() -> None:
    pod = KINDS.get("", "v1", "pods")
    assert pod is not None
    assert (pod.list_kind, pod.api_version, pod.resource.plural) == ("PodList", "v1", "pods")
    assert KINDS.get("", "v1", "nothing") is None


def test_a_duplicate_is_refused() -> None:
    pods = KINDS.get("", "v1", "pods")
    assert pods is not None
    with pytest.raises(DuplicateKind, match="pods"):
        Kinds([pods, replace(pods, kind="Other")])


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: f"{kind.api_version}-{kind.plural}")
def test_every_kind_has_a_schema_and_rows_as_wide_as_its_columns(kind: Kind) -> None:
    Schemas([kind.definition])
    obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x", "namespace": "default"}}
    assert len(kind.row(obj, datetime.now(UTC))) == len(kind.columns)
    assert all(read(obj) in ("", "0", "false") for read in kind.field_selectors.values())
