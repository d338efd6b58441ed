"""What tests of the API by plain HTTP share: paths, a pod, a request with the answer that it must have."""

from typing import Any

import aiohttp

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def pod(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def post(http: aiohttp.ClientSession, path: str, body: Json, code: int = 201) -> Json:
    async with http.post(path, json=body) as response:
        got: Json = await response.json()
        assert response.status == code, got
        return got


async def get(http: aiohttp.ClientSession, path: str, code: int = 200, **headers: str) -> Json:
    async with http.get(path, headers=headers) as response:
        got: Json = await response.json()
        assert response.status == code, got
        return got
