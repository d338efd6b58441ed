"""What a bootstrap token's Secret says, and what cluster-info is signed with."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from lightkube.resources.core_v1 import Secret

from master.controllers.bootstrap_signer import with_signatures
from master.controllers.bootstrap_tokens.secret import expiration, signing_token

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true"}


def secret(name: str = "bootstrap-token-abcdef", namespace: str = "kube-system", **data: str) -> Secret:
    encoded = {key.replace("_", "-"): b64encode(value.encode()).decode() for key, value in data.items()}
    manifest: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace}, "data": encoded}
    return msgspec.convert({**manifest, "type": "bootstrap.kubernetes.io/token"}, Secret)


def test_a_good_token_signs() -> None:
    assert signing_token(secret(**GOOD), NOW) == ("abcdef", "0123456789abcdef")
    assert signing_token(secret(**GOOD, expiration="2026-01-01T00:00:01Z"), NOW) is not None


@pytest.mark.parametrize(
    "bad",
    [
        secret(**{**GOOD, "usage-bootstrap-signing": "false"}),
        secret(**{**GOOD, "token-id": "bcdefg"}),
        secret(**{**GOOD, "token-secret": "short"}),
        secret(**GOOD, expiration="2026-01-01T00:00:00Z"),
        secret(**GOOD, expiration="tomorrow"),
        secret(name="other", **GOOD),
        secret(namespace="default", **GOOD),
    ],
)
def test_no_other_does(bad: Secret) -> None:
    assert signing_token(bad, NOW) is None


def test_an_unreadable_expiration_is_long_ago() -> None:
    assert expiration(secret(**GOOD)) is None
    for text in ("tomorrow", "2026-01-01T00:00:00"):
        ends = expiration(secret(**GOOD, expiration=text))
        assert ends is not None
        assert ends.year == 1970


def test_signatures_of_other_tokens_go() -> None:
    data = {"kubeconfig": "x", "jws-kubeconfig-gone00": "old", "note": "kept"}
    assert with_signatures(data, {"abcdef": "0123456789abcdef"}).keys() == {"kubeconfig", "note", "jws-kubeconfig-abcdef"}
