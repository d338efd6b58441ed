"""LimitRanger: defaults and bounds of containers, pods and claims."""

from typing import Any

import pytest

from master.api.admission.plugins.limit_ranger import ANNOTATION, LimitRanger
from master.client.errors import StatusError
from tests.unit.master.api.admission.stored import Stored, request

Json = dict[str, Any]


def limit_range(**item: Any) -> Json:
    return {"metadata": {"name": "limits", "namespace": "a"}, "spec": {"limits": [{"type": "Container", **item}]}}


def pod(*resources: Json, **spec: Any) -> Json:
    containers = [{"name": f"c{number}", "resources": one} for number, one in enumerate(resources)]
    return {"metadata": {"name": "x"}, "spec": {"containers": containers, **spec}}


async def admitted(ranges: list[Json], obj: Json) -> Json:
    plugin = LimitRanger(Stored(limitranges=ranges))
    await plugin.admit(request("pods"), obj)
    await plugin.validate(request("pods"), obj)
    return obj


async def test_containers_get_defaults_and_an_annotation_tells_it() -> None:
    defaults = limit_range(default={"cpu": "200m", "memory": "1Gi"}, defaultRequest={"cpu": "100m"})
    obj = pod({"limits": {"memory": "2Gi"}}, {}, initContainers=[{"name": "i"}])
    await admitted([defaults], obj)
    first, second = (container["resources"] for container in obj["spec"]["containers"])
    assert first == {"limits": {"cpu": "200m", "memory": "2Gi"}, "requests": {"cpu": "100m"}}
    assert second == {"limits": {"cpu": "200m", "memory": "1Gi"}, "requests": {"cpu": "100m"}}
    assert obj["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu request for container c0; cpu limit for container c0; cpu request for container c1; "
        "cpu, memory limit for container c1; cpu request for init container i; cpu, memory limit for init container i"
    )


async def test_a_pod_that_says_everything_is_left_alone() -> None:
    resources = {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    obj = await admitted([limit_range(default={"cpu": "200m"}, defaultRequest={"cpu": "100m"})], pod(resources))
    assert "annotations" not in obj["metadata"]
    assert obj["spec"]["containers"][0]["resources"] == resources


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        ({"max": {"cpu": "200m"}}, {"limits": {"cpu": "300m"}}, "maximum cpu usage per Container is 200m, but limit is 300m"),
        ({"max": {"cpu": "200m"}}, {}, "maximum cpu usage per Container is 200m.  No limit is specified"),
        (
            {"min": {"memory": "1Gi"}},
            {"requests": {"memory": "512Mi"}},
            "minimum memory usage per Container is 1Gi, but request is 512Mi",
        ),
        ({"min": {"memory": "1Gi"}}, {}, "minimum memory usage per Container is 1Gi.  No request is specified"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "500m"}},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"limits": {"cpu": "600m"}, "requests": {"cpu": "1"}},
            "maximum cpu usage per Pod is 1, but limit is 1200m",
        ),
        (
            {"max": {"cpu": "1", "memory": "1Gi"}},
            {"limits": {"cpu": "2", "memory": "2Gi"}},
            "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit",
        ),
    ],
)
async def test_what_is_out_of_bounds_is_refused(item: Json, resources: Json, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        await admitted([limit_range(**item)], pod(resources, resources))
    assert caught.value.code == 403
    assert caught.value.message.startswith('pods "x" is forbidden: ')
    assert message in caught.value.message


async def test_a_pod_counts_its_largest_init_container_and_its_sidecars() -> None:
    def limited(cpu: str, **fields: Any) -> Json:
        return {"name": "i", "resources": {"limits": {"cpu": cpu}}, **fields}

    spec = pod({"limits": {"cpu": "1"}}, initContainers=[limited("1", restartPolicy="Always"), limited("2")])
    with pytest.raises(StatusError, match="maximum cpu usage per Pod is 2, but limit is 3"):
        await admitted([limit_range(type="Pod", max={"cpu": "2"})], spec)


async def test_an_update_of_a_pod_is_not_looked_at_but_a_claim_s_is() -> None:
    plugin = LimitRanger(Stored(limitranges=[limit_range(max={"cpu": "1"}), limit_range(type="x")]))
    await plugin.validate(request("pods", operation="UPDATE", old={}), pod({"limits": {"cpu": "2"}}))
    claims = LimitRanger(Stored(limitranges=[limit_range(type="PersistentVolumeClaim", max={"storage": "1Gi"})]))
    claim = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    with pytest.raises(StatusError, match="maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"):
        await claims.validate(request("persistentvolumeclaims", operation="UPDATE", old={}), claim)
