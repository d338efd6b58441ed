"""The files of a pod's service account tokens: whose they are, and who may read them."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import Pod, ServiceAccountTokenProjection, Volume
from lightkube.resources.core_v1 import Secret

from agent.desired import DesiredState
from agent.volumes.protocol import VolumeContext
from agent.volumes.references import ObjectMissing, References
from agent.volumes.sources import token_files
from proto.pod_tokens import TYPE, token_key
from tests.unit.agent.kubelet.pod_world import pod

ASKED = ServiceAccountTokenProjection(path="token", expirationSeconds=3607)


def context(manifest: Pod, **tokens: str) -> VolumeContext:
    desired = DesiredState()
    data = {token_key(audience, 3607): b64encode(token.encode()).decode() for audience, token in tokens.items()}
    desired.secrets["", "u1"] = msgspec.convert({"type": TYPE, "data": data}, Secret)
    return VolumeContext(manifest, Volume(name="v"), Path("/x"), References(desired, "default"), {})


def user(uid: int) -> dict[str, Any]:
    return {"securityContext": {"runAsUser": uid}}


@pytest.mark.parametrize(
    ("manifest", "mode", "owner"),
    [
        (pod(), 0o644, None),
        (pod(user(7)), 0o600, 7),
        (pod({}, securityContext={"runAsUser": 8}), 0o600, 8),
        (pod(user(7), user(8)), 0o644, None),
        (pod(user(7), {}), 0o644, None),
        (pod(securityContext={"fsGroup": 9}), 0o600, None),
    ],
)
def test_a_token_is_as_closed_as_its_pod_allows(manifest: Pod, mode: int, owner: int | None) -> None:
    here = context(manifest, **{"": "secret"})
    file = token_files(here, ASKED, mode=0o644)["token"]
    assert (file.data, file.mode, file.owner) == (b"secret", mode, owner)


def test_each_audience_has_its_own() -> None:
    here = context(pod(), vault="v")
    vault = ServiceAccountTokenProjection(path="t", audience="vault", expirationSeconds=3607)
    assert token_files(here, vault, mode=None)["t"].data == b"v"
    with pytest.raises(ObjectMissing, match="not found"):
        token_files(here, ASKED, mode=None)


def test_no_secret_of_the_api_passes_for_a_token() -> None:
    here = context(pod())
    here.references.desired.secrets["", "u1"] = Secret(type="Opaque", data={token_key("", 3607): "eA=="})
    with pytest.raises(ObjectMissing):
        token_files(here, ASKED, mode=None)
