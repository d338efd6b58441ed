"""Images' names as Docker and kubelet read them."""

import pytest

from agent.kubelet.images.reference import InvalidReference, parse

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("team/app:1", "docker.io/team/app:1"),
        ("index.docker.io/app", "docker.io/library/app:latest"),
        ("localhost/app:1", "localhost/app:1"),
        ("Host/app", "Host/app:latest"),
        ("reg.example:5000/a/b__c-d:T.1_x", "reg.example:5000/a/b__c-d:T.1_x"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"reg.example/app@{DIGEST}", f"reg.example/app@{DIGEST}"),
        (f"reg.example/app:1@{DIGEST}", f"reg.example/app@{DIGEST}"),
    ],
)
def test_every_way_to_write_a_name_has_one_full_form(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("app:1\n", "invalid reference format"),
        ("app:", "invalid reference format"),
        ("app@sha256:12", "invalid reference format"),
        ("-app", "invalid reference format"),
        ("App", "invalid reference format: repository name (library/App) must be lowercase"),
        ("team/App:1", "invalid reference format: repository name (team/App) must be lowercase"),
        ("f" * 64, f"invalid repository name ({'f' * 64}), cannot specify 64-byte hexadecimal strings"),
        (f"app@md5:{'0' * 32}", "unsupported digest algorithm"),
        (f"app@sha256:{'0' * 40}", "invalid checksum digest length"),
        (f"app@sha256:{'A' * 64}", "invalid checksum digest format"),
        ("reg.example/" + "a" * 250, "repository name must not be more than 255 characters"),
    ],
)
def test_what_is_no_name_is_refused_in_kubelets_words(text: str, problem: str) -> None:
    with pytest.raises(InvalidReference) as refused:
        parse(text)
    assert str(refused.value) == problem
