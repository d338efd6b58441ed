"""Lists, tables, discovery, documents and metrics, in the forms that clients ask for."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_http import CONFIG_MAPS, PODS, get, pod, post
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def test_lists_select_by_labels_and_fields(http: aiohttp.ClientSession) -> None:
    for name, app in (("a", "web"), ("b", "web"), ("c", "db")):
        await post(http, PODS, {**pod(name), "metadata": {"name": name, "labels": {"app": app}}})

    async def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in (await get(http, f"{PODS}?{query}"))["items"]]

    assert await names("labelSelector=app%3Dweb") == ["a", "b"]
    assert await names("labelSelector=app+notin+(web)") == ["c"]
    assert await names("fieldSelector=metadata.name%3Db") == ["b"]
    assert await names("fieldSelector=status.phase%3DPending,metadata.name!%3Db") == ["a", "c"]
    assert await names("fieldSelector=spec.nodeName%3Dn1") == []
    assert "field label not supported" in (await get(http, PODS + "?fieldSelector=spec.foo%3D1", 400))["message"]
    assert "unable to parse requirement" in (await get(http, PODS + "?labelSelector=a%3D%3D%3D", 400))["message"]


async def test_a_list_in_pages_stays_as_of_its_first_page(http: aiohttp.ClientSession) -> None:
    for number in range(5):
        await post(http, CONFIG_MAPS, {"metadata": {"name": f"c{number}"}})
    first = await get(http, CONFIG_MAPS + "?limit=2")
    assert [item["metadata"]["name"] for item in first["items"]] == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    await post(http, CONFIG_MAPS, {"metadata": {"name": "c11"}})
    async with http.delete(CONFIG_MAPS + "/c3") as response:
        assert response.status == 200
    found: list[str] = []
    token = first["metadata"]["continue"]
    while token:
        page = await get(http, f"{CONFIG_MAPS}?limit=2&continue={token}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert found == ["c2", "c3", "c4"]
    await get(http, CONFIG_MAPS + "?limit=2&continue=nonsense", 400)
    forged = base64.urlsafe_b64encode(b'{"v":"wherry/v1","rv":999999,"start":"x"}').decode()
    await get(http, f"{CONFIG_MAPS}?continue={forged}", 400)


async def test_a_list_waits_for_its_resource_version_or_says_that_it_is_too_large(http: aiohttp.ClientSession) -> None:
    now = int((await get(http, CONFIG_MAPS))["metadata"]["resourceVersion"])
    await get(http, f"{CONFIG_MAPS}?resourceVersion={now}&resourceVersionMatch=NotOlderThan")
    got = await get(http, f"{CONFIG_MAPS}?resourceVersion={now + 1000}", 504)
    assert got["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    await get(http, f"{CONFIG_MAPS}?resourceVersion=x", 400)
    await get(http, f"{CONFIG_MAPS}?resourceVersionMatch=Exact", 422)


async def test_tables_and_metadata_alone(http: aiohttp.ClientSession) -> None:
    await post(http, PODS, pod("p"))
    table = await get(http, PODS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]][:2] == ["Name", "Ready"]
    assert table["rows"][0]["cells"][0] == "p"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = await get(http, PODS, Accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
    assert partial["kind"] == "PartialObjectMetadataList"
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
    await get(http, PODS, 406, Accept="application/vnd.kubernetes.protobuf")


async def test_a_large_answer_is_compressed_when_asked(world: ApiWorld) -> None:
    async with world.http(world.admin(), {"Accept-Encoding": "gzip"}) as http:
        await post(http, CONFIG_MAPS, {"metadata": {"name": "big"}, "data": {"a": "x" * 300_000}})
        async with http.get(CONFIG_MAPS) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert len((await response.json())["items"]) == 1
        async with http.get("/api/v1/namespaces") as response:
            assert "Content-Encoding" not in response.headers


async def test_discovery_is_plain_or_aggregated_as_asked(http: aiohttp.ClientSession) -> None:
    assert (await get(http, "/api"))["versions"] == ["v1"]
    assert {group["name"] for group in (await get(http, "/apis"))["groups"]} >= {
        "apps",
        "events.k8s.io",
        "coordination.k8s.io",
    }
    resources = {entry["name"]: entry for entry in (await get(http, "/api/v1"))["resources"]}
    assert resources["pods/eviction"]["group"] == "policy"
    assert resources["pods"]["shortNames"] == ["po"]
    for version in ("v2", "v2beta1"):
        accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList,application/json"
        async with http.get("/apis", headers={"Accept": accept}) as response:
            assert f"v={version}" in response.headers["Content-Type"]
            tag = response.headers["ETag"]
            assert (await response.json())["kind"] == "APIGroupDiscoveryList"
        async with http.get("/apis", headers={"Accept": accept, "If-None-Match": tag}) as response:
            assert response.status == 304


async def test_openapi_documents_are_tagged_and_in_the_form_that_is_asked_for(http: aiohttp.ClientSession) -> None:
    index = await get(http, "/openapi/v3")
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    assert "io.k8s.api.apps.v1.Deployment" in (await get(http, url))["components"]["schemas"]
    await get(http, "/openapi/v3/apis/nothing/v1", 404)
    # Go's parser of media types cannot read the "@" that kubectl itself asks with.
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    for accept, given in ((asked, asked.replace("@", ".")), ("application/json", "application/json")):
        async with http.get("/openapi/v2", headers={"Accept": accept}) as response:
            assert response.headers["Content-Type"] == given
            tag = response.headers["ETag"]
        async with http.get("/openapi/v2", headers={"Accept": accept, "If-None-Match": tag}) as response:
            assert response.status == 304
    await get(http, "/openapi/v2", 406, Accept="text/html")


async def test_metrics_count_requests(http: aiohttp.ClientSession) -> None:
    await get(http, PODS)
    async with http.get("/metrics") as response:
        text = await response.text()
    assert 'apiserver_request_total{code="200",group="",resource="pods",scope="namespace",subresource="",verb="LIST"' in text
    assert "apiserver_request_duration_seconds_bucket" in text
