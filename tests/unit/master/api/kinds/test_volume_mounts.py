"""Validation of where and how a container mounts its volumes."""

from typing import Any

import pytest

from master.api.kinds.pod_spec.volume_mounts import validate_volume_mounts


def errors(**mount: Any) -> list[str]:
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **mount}]}
    return [f"{cause.field}: {cause.message}" for cause in validate_volume_mounts(container, {"v": {}}, "c")]


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ({"readOnly": True, "recursiveReadOnly": "Enabled"}, []),
        ({"readOnly": True, "recursiveReadOnly": "IfPossible", "mountPropagation": "None"}, []),
        ({"recursiveReadOnly": "Disabled", "mountPropagation": "HostToContainer"}, []),
        (
            {"recursiveReadOnly": "IfPossible"},
            ["c.volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
        ),
        (
            {"readOnly": True, "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"},
            [
                "c.volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None "
                "or not specified"
            ],
        ),
        (
            {"readOnly": True, "recursiveReadOnly": "Perhaps"},
            [
                'c.volumeMounts[0].recursiveReadOnly: Unsupported value: "Perhaps": supported values: "Disabled", '
                '"Enabled", "IfPossible"'
            ],
        ),
        (
            {"mountPropagation": "Bidirectional"},
            [
                "c.volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to "
                "privileged containers"
            ],
        ),
    ],
)
def test_read_only_and_propagation_fit_together(mount: dict[str, Any], expected: list[str]) -> None:
    assert errors(**mount) == expected
