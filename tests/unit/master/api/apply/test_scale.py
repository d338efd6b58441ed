"""Owners of the replicas as the scale subresource shows and changes them (Kubernetes' scalehandler_test.go)."""

from typing import Literal

from master.api.apply.field_sets import FieldSet, field_paths, of
from master.api.apply.managed_fields import Owner, Owners, identify, stored_owners
from master.api.apply.path_elements import Path
from master.api.apply.scale import SCALE_VERSION, to_parent, to_scale

REPLICAS = field_paths("spec", "replicas")
SELECTOR = field_paths("spec", "selector")
Operation = Literal["Apply", "Update"]


def replicas(api_version: str) -> Path | None:
    return REPLICAS if api_version == "apps/v1" else None


def owners(*found: tuple[str, Operation, str, str, FieldSet]) -> Owners:
    result: Owners = {}
    for manager, operation, version, subresource, fields in found:
        identity = identify(manager, operation, version, subresource)
        result[identity] = Owner(identity, version, fields, "t")
    return result


def shown(entries: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(e["manager"], e["operation"], e["apiVersion"], e.get("subresource", ""), e["fieldsV1"]) for e in entries]


def test_only_owners_of_the_replicas_are_shown() -> None:
    parent = owners(
        ("a", "Apply", "apps/v1", "", of(REPLICAS, SELECTOR)),
        ("b", "Update", "apps/v1", "", of(SELECTOR)),
        ("c", "Update", "extensions/v1beta1", "", of(REPLICAS)),
    )
    assert shown(to_scale(parent, replicas)) == [("a", "Apply", SCALE_VERSION, "", of(REPLICAS))]


def test_who_scales_takes_the_replicas_and_nothing_else() -> None:
    parent = owners(("a", "Apply", "apps/v1", "", of(REPLICAS, SELECTOR)), ("b", "Update", "apps/v1", "", of(REPLICAS)))
    scale = owners(("s", "Update", SCALE_VERSION, "scale", of(REPLICAS)))
    assert shown(to_parent(parent, scale, "apps/v1", replicas)) == [
        ("a", "Apply", "apps/v1", "", of(SELECTOR)),
        ("s", "Update", "apps/v1", "scale", of(REPLICAS)),
    ]


def test_who_keeps_the_replicas_keeps_all_that_it_owns() -> None:
    parent = owners(
        ("a", "Apply", "apps/v1", "", of(REPLICAS, SELECTOR)), ("b", "Update", "apps/v1", "", of(REPLICAS, SELECTOR))
    )
    scale = stored_owners(to_scale(parent, replicas))
    assert shown(to_parent(parent, scale, "apps/v1", replicas)) == [
        ("a", "Apply", "apps/v1", "", of(REPLICAS, SELECTOR)),
        ("b", "Update", "apps/v1", "", of(REPLICAS, SELECTOR)),
    ]
