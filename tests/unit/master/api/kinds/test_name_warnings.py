"""Warnings of names that make poor host names."""

import pytest

from master.api.kinds.cron_job import KIND as CRON_JOB
from master.api.kinds.deployment import KIND as DEPLOYMENT
from master.api.kinds.job import KIND as JOB
from master.api.kinds.kind import Kind
from master.api.kinds.pod import KIND as POD


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        (POD, "the Pod's hostname"),
        (DEPLOYMENT, "Pod names and hostnames"),
        (JOB, "Pod names and hostnames"),
        (CRON_JOB, "Pod names and hostnames"),
    ],
)
def test_a_new_object_with_dots_in_its_name_is_warned_of(kind: Kind, use: str) -> None:
    dotted = {"metadata": {"name": "a.b"}}
    assert list(kind.warnings(dotted, None)) == [
        f"metadata.name: this is used in {use}, which can result in surprising behavior; a DNS label is recommended: "
        "[must not contain dots]"
    ]
    assert not kind.warnings(dotted, dotted)
    assert not kind.warnings({"metadata": {"name": "a-b"}}, None)
