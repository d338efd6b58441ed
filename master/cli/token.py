"""`wherry-master token`: bootstrap tokens as Kubernetes keeps them, Secrets in kube-system, through the API.

Source: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import argparse
import asyncio
import base64
import secrets
import string
from datetime import UTC, datetime, timedelta

from master.cli.api import Json, admin_api
from master.pki import cluster
from master.pki.names import api_url
from proto.k8s.time import format_time

SECRET_TYPE = "bootstrap.kubernetes.io/token"
_PATH = "/api/v1/namespaces/kube-system/secrets"
_NAME_PREFIX = "bootstrap-token-"
_ALPHABET = string.ascii_lowercase + string.digits


def create(parsed: argparse.Namespace) -> int:
    """Create a token and print it, or the whole command that joins an agent with it."""
    return asyncio.run(_create(parsed))


def list_tokens(parsed: argparse.Namespace) -> int:
    """List the tokens by id and expiry, without their secrets."""
    return asyncio.run(_list(parsed))


def delete(parsed: argparse.Namespace) -> int:
    """Delete a token by its id."""
    return asyncio.run(_delete(parsed))


async def _create(parsed: argparse.Namespace) -> int:
    identity, secret = _random(6), _random(16)
    settings = parsed.load_settings(parsed)
    async with admin_api(settings) as api:
        await api.create(_PATH, token_secret(identity, secret, ttl=parsed.ttl, description=parsed.description))
    token = f"{identity}.{secret}"
    if parsed.print_join_command:
        ca_hash = cluster.load(settings.pki_path).authority.public_key_hash
        token = f"wherry-agent join --server {api_url(settings)} --token {token} --ca-hash {ca_hash}"
    print(token)
    return 0


async def _list(parsed: argparse.Namespace) -> int:
    async with admin_api(parsed.load_settings(parsed)) as api:
        found = (await api.get(f"{_PATH}?fieldSelector=type%3D{SECRET_TYPE.replace('/', '%2F')}"))["items"]
    print(f"{'ID':<8} {'EXPIRES':<22} DESCRIPTION")
    for one in found:
        expires = _field(one, "expiration") or "<never>"
        print(f"{_field(one, 'token-id'):<8} {expires:<22} {_field(one, 'description')}".rstrip())
    return 0


async def _delete(parsed: argparse.Namespace) -> int:
    identity = parsed.token_id.partition(".")[0]
    async with admin_api(parsed.load_settings(parsed)) as api:
        await api.delete(f"{_PATH}/{_NAME_PREFIX}{identity}")
    print(f"token {identity} deleted")
    return 0


def token_secret(identity: str, secret: str, *, ttl: timedelta, description: str = "") -> Json:
    """The Secret of a bootstrap token. A `ttl` of zero never expires."""
    values = {
        "token-id": identity,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "description": description,
    }
    if ttl:
        values["expiration"] = format_time(datetime.now(UTC) + ttl)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{_NAME_PREFIX}{identity}", "namespace": "kube-system"},
        "type": SECRET_TYPE,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items() if value},
    }


def _field(secret: Json, key: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(key, "")).decode(errors="replace")


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
