"""Which credentials an image's registry is shown: Kubernetes' rules for config.json."""

import json
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from lightkube.models.core_v1 import LocalObjectReference, Pod, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from agent.desired import DesiredState
from agent.kubelet.images.credentials import for_image, missing_secrets, of_file, of_pod
from agent.kubelet.images.reference import parse
from agent.volumes.references import References


def shown(image: str, *servers: str) -> list[str]:
    """The servers whose credentials are shown, in order."""
    auths = {server: {"username": server, "password": "p"} for server in servers}
    return [one.username for one in for_image(parse(image), [auths])]


@pytest.mark.parametrize(
    ("server", "image", "matches"),
    [
        ("reg.example", "reg.example/a/b", True),
        ("https://reg.example", "reg.example/a/b", True),
        ("https://reg.example/v2/", "reg.example/a/b", True),
        ("http://reg.example/v1/", "reg.example/a/b", True),
        ("reg.example/", "reg.example/a/b", True),
        ("reg.example:5000", "reg.example/a", False),
        ("reg.example", "reg.example:5000/a", False),
        ("*.example", "reg.example/a", True),
        ("*.example", "a.b.example/a", False),
        ("*.*.example", "a.b.example/a", True),
        ("re?.example:5000", "reg.example:5000/a", True),
        ("[^x]eg.example", "reg.example/a", True),
        ("reg*.example", "other.example/a", False),
        ("reg.example/team", "reg.example/team/app", True),
        ("reg.example/team", "reg.example/teams/app", True),
        ("reg.example/team/", "reg.example/teams/app", False),
        ("reg.example/team", "reg.example/app", False),
        ("*.example/team", "reg.example/team/app", True),
        ("https://index.docker.io/v1/", "busybox", True),
        ("index.docker.io", "team/app", True),
        ("docker.io", "busybox", True),
        ("docker.io/team", "busybox", False),
        ("https://index.docker.io/v1/", "reg.example/busybox", False),
    ],
)
def test_a_server_matches_by_host_glob_port_and_path(server: str, image: str, matches: bool) -> None:
    assert shown(image, server) == ([server] if matches else [])


def test_the_more_specific_comes_first_and_hubs_own_only_if_nothing_else_matches() -> None:
    assert shown("reg.example/team/app", "reg.example", "reg.example/team", "x.example") == ["reg.example/team", "reg.example"]
    assert shown("team/app", "docker.io", "index.docker.io") == ["docker.io"]


def test_an_auth_is_read_with_and_without_padding_and_goes_before_a_username() -> None:
    def read(entry: object) -> list[tuple[str, str]]:
        return [(one.username, one.password) for one in for_image(parse("r.x/a"), [{"r.x": entry}])]

    text = b64encode(b"user:pass:word").decode()
    assert text.endswith("=")
    assert read({"auth": text}) == read({"auth": text.rstrip("=")}) == [("user", "pass:word")]
    assert read({"auth": text, "username": "other"}) == [("user", "pass:word")]
    for broken in ({"auth": "*"}, {"auth": b64encode(b"no-colon").decode()}, "text", {"auth": b64encode(b"\xff:x").decode()}):
        assert read(broken) == []


def test_secrets_are_read_by_their_type_and_what_is_missing_is_named() -> None:
    desired = DesiredState()
    auths = {"r.x": {"username": "u", "password": "p"}}

    def secret(name: str, type_: str, key: str, content: object) -> None:
        data = {key: b64encode(msgspec.json.encode(content)).decode()}
        desired.secrets[("ns", name)] = Secret(metadata=ObjectMeta(name=name), type=type_, data=data)

    secret("json", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", {"auths": auths})
    secret("old", "kubernetes.io/dockercfg", ".dockercfg", auths)
    secret("opaque", "Opaque", ".dockerconfigjson", {"auths": auths})
    secret("broken", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", [1])
    names = ["json", "old", "opaque", "broken", "absent"]
    pod = Pod(
        metadata=ObjectMeta(name="p"),
        spec=PodSpec(containers=[], imagePullSecrets=[LocalObjectReference(name=name) for name in names]),
    )
    references = References(desired, "ns")
    assert of_pod(pod, references) == [auths, auths, {}, {}]
    assert missing_secrets(pod, references) == ["absent"]
    # The same twice is tried once.
    assert len(for_image(parse("r.x/a"), of_pod(pod, references))) == 1


def test_a_node_without_a_usable_config_file_has_no_credentials(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    assert of_file(str(path)) == of_file("") == {}
    path.write_text("{")
    assert of_file(str(path)) == {}
    path.write_text(json.dumps({"auths": {"r.x": {}}, "credsStore": "desktop"}))
    assert of_file(str(path)) == {"r.x": {}}
