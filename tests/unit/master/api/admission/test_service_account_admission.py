"""What a pod gets from its account, and what an account forbids."""

from collections.abc import Sequence
from typing import Any

import pytest

from master.api.admission.plugins.service_account import MOUNT_PATH, ServiceAccount, token_volume
from master.api.admission.protocol import AdmissionRequest
from master.client.errors import StatusError
from master.client.protocol import ResourceRef
from tests.unit.master.api.admission.lookups import Lookups

Json = dict[str, Any]
REQUEST = AdmissionRequest("CREATE", ResourceRef("", "v1", "pods"), "Pod", "team", "p")


class Accounts(Lookups):
    """An ObjectReader of accounts; `late`: how many looks it takes until they are there."""

    def __init__(self, late: int = 0, **accounts: Json) -> None:
        self._accounts = accounts
        self._late = late

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        self._late -= 1
        if self._late >= 0 or name not in self._accounts:
            return None
        return {"metadata": {"name": name}, **self._accounts[name]}

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        return ()


def containers(*mounts: Json) -> list[Json]:
    return [{"name": "c", **({"volumeMounts": list(mounts)} if mounts else {})}]


async def admitted(spec: Json | None = None, annotations: Json | None = None, **account: Any) -> Json:
    plugin = ServiceAccount(Accounts(default=account, bob=account))
    obj: Json = {
        "metadata": {"name": "p", "annotations": annotations or {}},
        "spec": {"containers": containers(), **(spec or {})},
    }
    await plugin.admit(REQUEST, obj)
    await plugin.validate(REQUEST, obj)
    admitted_spec: Json = obj["spec"]
    return admitted_spec


async def refusal(spec: Json, annotations: Json | None = None, **account: Any) -> str:
    with pytest.raises(StatusError) as refused:
        await admitted(spec, annotations, **account)
    assert refused.value.code == 403
    return str(refused.value).removeprefix('pods "p" is forbidden: ')


async def test_every_container_gets_token_ca_and_namespace() -> None:
    spec = await admitted({"initContainers": [{"name": "i"}], "volumes": [{"name": "own", "emptyDir": {}}]})
    own, added = spec["volumes"]
    assert own == {"name": "own", "emptyDir": {}}
    assert added["name"].startswith("kube-api-access-")
    assert added["projected"] == token_volume()
    mount = {"name": added["name"], "readOnly": True, "mountPath": MOUNT_PATH}
    assert spec["initContainers"] == [{"name": "i", "volumeMounts": [mount]}]
    assert spec["containers"] == [{"name": "c", "volumeMounts": [mount]}]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")


async def test_a_container_that_mounts_there_itself_keeps_its_own() -> None:
    own = {"name": "mine", "mountPath": MOUNT_PATH}
    spec = await admitted({"containers": containers(own)})
    assert (spec["containers"], spec.get("volumes")) == (containers(own), None)


async def test_a_copied_pod_s_volume_is_used_again() -> None:
    first = await admitted()
    volumes = first["volumes"]
    again = await admitted({"volumes": volumes})
    assert again["volumes"] == volumes
    assert again["containers"] == first["containers"]


@pytest.mark.parametrize(
    ("pod", "account", "mounted"),
    [(None, None, True), (None, False, False), (True, False, True), (False, True, False), (False, None, False)],
)
async def test_pod_then_account_say_whether_the_token_is_mounted(
    pod: bool | None, account: bool | None, mounted: bool
) -> None:
    spec = {} if pod is None else {"automountServiceAccountToken": pod}
    of_account: Json = {} if account is None else {"automountServiceAccountToken": account}
    got = await admitted(spec, **of_account)
    assert ("volumes" in got) is mounted


async def test_pull_secrets_come_from_the_account_unless_the_pod_names_some() -> None:
    secrets = [{"name": "pull"}]
    assert (await admitted(imagePullSecrets=secrets))["imagePullSecrets"] == secrets
    own = {"imagePullSecrets": [{"name": "own"}]}
    assert (await admitted(own, imagePullSecrets=secrets))["imagePullSecrets"] == [{"name": "own"}]


async def test_the_default_account_is_waited_for_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.api.admission.plugins.service_account._PAUSE_SECONDS", 0.001)
    obj: Json = {"metadata": {}, "spec": {}}
    await ServiceAccount(Accounts(late=9, default={})).admit(REQUEST, obj)
    with pytest.raises(StatusError, match='service account team/default: serviceaccount "default" not found'):
        await ServiceAccount(Accounts(late=10, default={})).admit(REQUEST, {"metadata": {}, "spec": {}})
    with pytest.raises(StatusError, match='serviceaccount "bob" not found'):
        await ServiceAccount(Accounts(late=1, bob={})).admit(REQUEST, {"metadata": {}, "spec": {"serviceAccountName": "bob"}})


ENFORCED = {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}, "name": "bob"}
WHY = "is not allowed because service account bob does not reference that secret"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}, f'volume with secret.secretName="x" {WHY}'),
        (
            {"containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x"}}}]}]},
            f'container c with envVar A referencing secret.secretName="x" {WHY}',
        ),
        (
            {"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "x"}}]}]},
            f'init container i with envFrom referencing secret.secretName="x" {WHY}',
        ),
        (
            {"imagePullSecrets": [{"name": "x"}]},
            'imagePullSecrets[0].name="x" is not allowed because service account bob does not reference that imagePullSecret',
        ),
    ],
)
async def test_an_account_that_enforces_its_secrets_allows_no_others(spec: Json, why: str) -> None:
    assert await refusal({"serviceAccountName": "bob", **spec}, metadata=ENFORCED, secrets=[{"name": "ok"}]) == why
    allowed: Json = {"secrets": [{"name": "x"}], "imagePullSecrets": [{"name": "x"}]}
    await admitted({"serviceAccountName": "bob", **spec}, metadata=ENFORCED, **allowed)


async def test_an_ephemeral_container_is_held_to_the_account_s_secrets_too() -> None:
    debug = {"name": "d", "envFrom": [{"secretRef": {"name": "x"}}]}
    obj: Json = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "bob", "ephemeralContainers": [debug]}}
    request = AdmissionRequest("UPDATE", REQUEST.resource, "Pod", "team", "p", "ephemeralcontainers", {})
    with pytest.raises(StatusError, match=f'ephemeral container d with envFrom referencing secret.secretName="x" {WHY}'):
        await ServiceAccount(Accounts(bob={"metadata": ENFORCED})).validate(request, obj)
    await ServiceAccount(Accounts(bob={})).validate(request, obj)


async def test_a_mirror_pod_has_no_account_and_no_secrets() -> None:
    mirror = {"kubernetes.io/config.mirror": "x"}
    spec = await admitted({}, mirror)
    assert spec == {"containers": [{"name": "c"}]}
    assert await refusal({"serviceAccountName": "bob"}, mirror) == "a mirror pod may not reference service accounts"
    secret = {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}
    assert await refusal(secret, mirror) == "a mirror pod may not reference secrets"
    token = {"volumes": [{"name": "v", "projected": token_volume()}]}
    assert await refusal(token, mirror) == "a mirror pod may not use ServiceAccountToken volume projections"
