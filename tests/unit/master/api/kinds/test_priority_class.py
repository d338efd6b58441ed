"""PriorityClass."""

import pytest

from master.api.kinds.priority_class import KIND, SYSTEM_CLASSES
from tests.unit.master.api.kinds.made import Json, created, errors, updated


def test_defaults() -> None:
    obj = created(KIND, {})
    assert (obj["value"], obj["preemptionPolicy"], obj["metadata"]["generation"]) == (0, "PreemptLowerPriority", 1)
    assert errors(KIND, obj) == []


@pytest.mark.parametrize("obj", SYSTEM_CLASSES, ids=lambda obj: str(obj["metadata"]["name"]))
def test_the_system_s_classes_are_valid(obj: Json) -> None:
    assert errors(KIND, created(KIND, obj)) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"value": 1_000_000_001}, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        (
            {"metadata": {"name": "system-x"}, "value": 1},
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
            "system-x is not a known system priority class",
        ),
        (
            {"metadata": {"name": "system-node-critical"}, "value": 1},
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
            "value of system-node-critical PriorityClass must be 2000001000",
        ),
        (
            {"preemptionPolicy": "Maybe"},
            'preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"',
        ),
    ],
)
def test_what_is_refused(obj: Json, expected: str) -> None:
    assert errors(KIND, created(KIND, obj)) == [expected]


def test_value_and_policy_never_change() -> None:
    old = created(KIND, {"value": 5})
    changed = updated(KIND, old, value=6, preemptionPolicy="Never", globalDefault=True)
    assert errors(KIND, changed, old) == [
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]
    assert errors(KIND, updated(KIND, old, globalDefault=True, description="d"), old) == []
