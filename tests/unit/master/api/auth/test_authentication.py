"""Who a certificate or token is, and what nobody is told."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.auth.authentication import Authentication
from master.api.auth.bootstrap_tokens import BootstrapTokens
from master.api.auth.certificates import user_of
from master.api.auth.protocol import UserInfo
from master.api.auth.tokens import StaticTokens
from master.client.errors import StatusError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def secret(**data: str) -> dict[str, Any]:
    fields = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", **data}
    encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in fields.items()}
    return {"metadata": {}, "type": "bootstrap.kubernetes.io/token", "data": encoded}


def bootstrap(stored: dict[str, Any] | None) -> BootstrapTokens:
    async def read(name: str) -> dict[str, Any] | None:
        return stored if name == "bootstrap-token-abcdef" else None

    return BootstrapTokens(read, lambda: NOW)


def test_common_name_is_the_user_and_organizations_are_groups() -> None:
    subject = ((("organizationName", "system:masters"),), (("organizationName", "b"),), (("commonName", "jane"),))
    user = user_of({"subject": subject})
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("system:masters", "b", "system:authenticated"))


def test_a_certificate_without_a_common_name_is_nobody() -> None:
    assert user_of({"subject": ((("organizationName", "system:masters"),),)}) is None
    assert user_of(None) is None


async def test_a_static_token_is_its_user() -> None:
    one = Authentication([StaticTokens({"t": UserInfo("bob", groups=("g",))})])
    user = await one.authenticate(None, "Bearer t")
    assert user is not None
    assert user.groups == ("g", "system:authenticated")


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic dDp0", "t", "Bearer \u00e9"])
async def test_wrong_credentials_are_refused(header: str) -> None:
    with pytest.raises(StatusError) as caught:
        await Authentication([StaticTokens({"t": UserInfo("bob")})]).authenticate(None, header)
    assert (caught.value.code, caught.value.message) == (401, "Unauthorized")


async def test_no_credentials_are_nobody() -> None:
    assert await Authentication([]).authenticate(None, "") is None


async def test_a_bootstrap_token_is_a_bootstrapper() -> None:
    user = await bootstrap(secret()).authenticate("abcdef.0123456789abcdef")
    assert user is not None
    assert user.name == "system:bootstrap:abcdef"
    assert "system:bootstrappers" in user.groups


@pytest.mark.parametrize(
    "stored",
    [
        None,
        secret(token_secret="fedcba9876543210"),
        secret(expiration="2025-12-31T00:00:00Z"),
        secret(expiration="soon"),
        secret(expiration="2027-01-01T00:00:00"),
        secret(usage_bootstrap_authentication="false"),
        secret(auth_extra_groups="system:masters"),
        {**secret(), "type": "Opaque"},
        {**secret(), "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
async def test_a_wrong_or_expired_bootstrap_token_is_nobody(stored: dict[str, Any] | None) -> None:
    assert await bootstrap(stored).authenticate("abcdef.0123456789abcdef") is None


async def test_a_token_that_has_not_expired_serves() -> None:
    assert await bootstrap(secret(expiration="2026-01-01T00:00:01Z")).authenticate("abcdef.0123456789abcdef") is not None
