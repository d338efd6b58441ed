"""The API as the administrator, for the commands that need it: three verbs over JSON.

Uses the keys in the data folder; `wherry-master` runs where they are.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from master.cli.errors import CommandError
from master.pki import cluster
from master.pki.names import api_url
from master.settings import MasterSettings

Json = dict[str, Any]

_TIMEOUT_SECONDS = 15.0


class AdminApi:
    """Requests to the API at `url`. Every method raises CommandError."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def get(self, path: str) -> Json:
        return await self._request("GET", path)

    async def create(self, path: str, body: Json) -> Json:
        return await self._request("POST", path, body)

    async def delete(self, path: str) -> Json:
        return await self._request("DELETE", path)

    async def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            async with self._session.request(method, self._url + path, json=body) as response:
                answer: Json = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandError(f"the API at {self._url} does not answer: is `wherry-master run` running?") from error
        if response.status >= 400:
            raise CommandError(f"the API refused: {answer.get('message') or response.reason}")
        return answer


@asynccontextmanager
async def admin_api(settings: MasterSettings) -> AsyncIterator[AdminApi]:
    """A session as kubernetes-admin. Raises PkiError before `init`."""
    pki = cluster.load(settings.pki_path)
    context = ssl.create_default_context(cafile=str(pki.ca_path))
    context.load_cert_chain(pki.admin.certificate, pki.admin.key)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield AdminApi(session, api_url(settings))
