"""The API over real TLS, by plain HTTP: who may, bad input, forms of answers, lists, deletion."""

import asyncio
import base64
import io
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.api.auth.protocol import UserInfo
from master.api.http.server import CannotListen
from master.api.settings import ApiSettings
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class NodeJoiner:
    """Answers what it was asked, so that the route is seen."""

    def ca_pem(self) -> bytes:
        return b"-----BEGIN CERTIFICATE-----\n"

    async def join(self, user: UserInfo, request: Json) -> Json:
        return {"user": user.name, "node": request["node"]}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    tokens = {"jane-token": UserInfo("jane")}
    async with api_world(tmp_path, joiner=NodeJoiner(), static_tokens=tokens) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


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


# Who may


async def test_without_credentials_only_health_version_and_ca_are_shown(world: ApiWorld) -> None:
    async with world.http(None) as nobody:
        for path in ("/healthz", "/livez", "/readyz", "/version", "/wherry/v1/ca"):
            async with nobody.get(path) as response:
                assert response.status == 200, path
        for path in ("/api", "/api/v1/pods", "/metrics", "/openapi/v2", "/nothing"):
            got = await get(nobody, path, 403)
            assert (got["kind"], got["reason"], got["code"]) == ("Status", "Forbidden", 403)
            assert 'User "system:anonymous" cannot ' in got["message"]


async def test_a_certificate_of_another_ca_is_turned_away(world: ApiWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with api_world(other) as stranger:
        context = world.tls(None)
        context.load_cert_chain(stranger.admin() / "certificate.pem")
        async with aiohttp.ClientSession(world.url, connector=aiohttp.TCPConnector(ssl=context)) as session:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await get(session, "/api/v1/pods")


async def test_a_user_without_rights_may_discover_and_ask_only(world: ApiWorld) -> None:
    async with world.http(None, {"Authorization": "Bearer jane-token"}) as jane:
        await get(jane, "/api/v1")
        got = await get(jane, PODS, 403)
        assert got["message"] == (
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
        )
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
        assert (await post(jane, path, {"spec": spec}))["status"] == {"allowed": False}


async def test_a_bootstrap_token_joins_and_does_nothing_else(world: ApiWorld, http: aiohttp.ClientSession) -> None:
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    body = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "data": encoded}
    await post(http, "/api/v1/namespaces/kube-system/secrets", body)
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdef"}) as node:
        assert await post(node, "/wherry/v1/join", {"node": "n1"}) == {"user": "system:bootstrap:abcdef", "node": "n1"}
        await get(node, PODS, 403)
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdee"}) as stranger:
        await post(stranger, "/wherry/v1/join", {"node": "n1"}, 401)
    async with http.delete("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef") as response:
        assert response.status == 200
    async with world.http(None, {"Authorization": "Bearer abcdef.0123456789abcdef"}) as late:
        await post(late, "/wherry/v1/join", {"node": "n1"}, 401)


# Bad input


@pytest.mark.parametrize(
    ("path", "body", "code", "reason", "message"),
    [
        (CONFIG_MAPS, b"{", 400, "BadRequest", "json parse error"),
        (CONFIG_MAPS, b"", 400, "BadRequest", "json parse error"),
        (CONFIG_MAPS, b"[]", 400, "BadRequest", "cannot unmarshal array"),
        (CONFIG_MAPS, b'{"metadata":[]}', 400, "BadRequest", "cannot unmarshal array into Go struct field ConfigMap.metadata"),
        (CONFIG_MAPS, b'{"kind":"Pod","apiVersion":"v1"}', 400, "BadRequest", "cannot be handled as a ConfigMap"),
        (CONFIG_MAPS, b'{"kind":"ConfigMap","apiVersion":"v2"}', 400, "BadRequest", "does not match the expected API version"),
        (CONFIG_MAPS, b'{"kind":5}', 400, "BadRequest", "must be strings"),
        (CONFIG_MAPS, b'{"metadata":{"name":"a"},"data":{"a":1}}', 400, "BadRequest", "cannot unmarshal number"),
        (CONFIG_MAPS, b'{"metadata":{"name":"a","namespace":"b"}}', 400, "BadRequest", "does not match the namespace"),
        (
            CONFIG_MAPS,
            b'{"metadata":{"name":"a","resourceVersion":"5"}}',
            400,
            "BadRequest",
            "resourceVersion should not be set",
        ),
        (CONFIG_MAPS, b'{"metadata":{"name":"A_b"}}', 422, "Invalid", 'metadata.name: Invalid value: "A_b"'),
        (CONFIG_MAPS, b"{}", 422, "Invalid", "name or generateName is required"),
        (PODS, b'{"metadata":{"name":"a"},"spec":{}}', 422, "Invalid", "spec.containers: Required value"),
        ("/api/v1/namespaces/nope/configmaps", b'{"metadata":{"name":"a"}}', 404, "NotFound", 'namespaces "nope" not found'),
        ("/api/v1/namespaces/default/nothings", b"{}", 404, "NotFound", "the server could not find the requested resource"),
        ("/api/v1/configmaps", b'{"metadata":{"name":"a"}}', 405, "MethodNotAllowed", "does not allow this method"),
        (CONFIG_MAPS + "?dryRun=Some", b'{"metadata":{"name":"a"}}', 422, "Invalid", "dryRun: Unsupported value"),
        (CONFIG_MAPS + "?fieldValidation=Loose", b'{"metadata":{"name":"a"}}', 422, "Invalid", "fieldValidation"),
    ],
)
async def test_a_bad_body_is_answered_in_kubernetes_words(
    http: aiohttp.ClientSession, path: str, body: bytes, code: int, reason: str, message: str
) -> None:
    async with http.post(path, data=body, headers={"Content-Type": "application/json"}) as response:
        got = await response.json()
        assert (response.status, got["code"], got["reason"]) == (code, code, reason), got
        assert message in got["message"]


async def test_unknown_fields_are_refused_warned_of_or_ignored(http: aiohttp.ClientSession) -> None:
    def body(name: str) -> Json:
        return {"metadata": {"name": name}, "foo": 1, "data": {"a": "b"}}

    got = await post(http, CONFIG_MAPS + "?fieldValidation=Strict", body("a"), 400)
    assert got["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"'
    )
    async with http.post(CONFIG_MAPS + "?fieldValidation=Warn", json=body("b")) as response:
        assert response.headers.getall("Warning") == ['299 - "unknown field \\"foo\\""']
        assert "foo" not in await response.json()
    async with http.post(CONFIG_MAPS + "?fieldValidation=Ignore", json=body("c")) as response:
        assert "Warning" not in response.headers
        assert "foo" not in await response.json()


async def test_other_content_types_get_415(http: aiohttp.ClientSession) -> None:
    for path, method, media_type in (
        (CONFIG_MAPS, "POST", "text/plain"),
        (CONFIG_MAPS + "/a", "PATCH", "application/json"),
        (CONFIG_MAPS + "/a", "PATCH", "application/apply-patch+cbor"),
    ):
        async with http.request(method, path, data=b"{}", headers={"Content-Type": media_type}) as response:
            got = await response.json()
            assert (response.status, got["reason"]) == (415, "UnsupportedMediaType")


async def test_a_body_that_is_too_large_gets_413(http: aiohttp.ClientSession) -> None:
    async with http.post(
        CONFIG_MAPS, data=io.BytesIO(b" " * (4 << 20)), headers={"Content-Type": "application/json"}
    ) as response:
        got = await response.json()
        assert (response.status, got["reason"]) == (413, "RequestEntityTooLarge")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    async with http.post(CONFIG_MAPS, data=chunks(), headers={"Content-Type": "application/json"}) as response:
        assert response.status == 413


async def test_a_half_sent_body_leaves_the_server_well_and_nothing_behind(
    world: ApiWorld, http: aiohttp.ClientSession
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"metadata":{"name":"half"}')
    await writer.drain()
    writer.close()
    await get(http, CONFIG_MAPS + "/half", 404)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    writer.write(b"GET /healthz\r\n\x00garbage\r\n\r\n")
    await writer.drain()
    assert b" 400 " in await reader.readline()
    writer.close()
    await get(http, "/version")


@pytest.mark.parametrize(
    ("head", "body", "code"),
    [
        ("Transfer-Encoding: chunked", b"zz\r\n", 400),
        ("Content-Encoding: gzip\r\nContent-Length: 5", b"abcde", 415),
        ("Content-Length: abc", b"", 400),
        ("Content-Length: 5\r\nContent-Length: 6", b"abcde", 400),
        ("Content-Length: 5\r\nAuthorization: Bearer \\xff", b"abcde", 400),
    ],
)
async def test_what_is_no_http_is_refused_without_a_trace(
    world: ApiWorld, caplog: pytest.LogCaptureFixture, head: str, body: bytes, code: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    request = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
    writer.write(request.encode() + body)
    await writer.drain()
    async with asyncio.timeout(5):
        assert int((await reader.readline()).split()[1]) == code
    writer.close()
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize("query", ["resourceVersion", "limit", "watch=1&resourceVersion"])
async def test_numbers_beyond_all_bounds_are_refused(http: aiohttp.ClientSession, query: str) -> None:
    await get(http, f"{PODS}?{query}={'9' * 5000}", 400)


async def test_yaml_bodies_are_read_and_answers_given_in_yaml(http: aiohttp.ClientSession) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: 'b'}\n"
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    async with http.post(CONFIG_MAPS, data=text, headers=headers) as response:
        assert response.status == 201
        assert response.headers["Content-Type"] == "application/yaml"
        assert "data:\n  a: b\n" in await response.text()
    async with http.post(CONFIG_MAPS, data="a: &x 1\nb: *x", headers=headers) as response:
        assert response.status == 400


async def test_paths_and_methods_that_do_not_exist(http: aiohttp.ClientSession) -> None:
    for path in ("/nothing", "/api/v2", "/apis/nothing", "/api/v1/namespaces/default/pods/x/nothing", "/api/v1/pods/x"):
        got = await get(http, path, 404)
        assert got["message"] == "the server could not find the requested resource"
    async with http.put(CONFIG_MAPS, json={}) as response:
        assert (response.status, (await response.json())["reason"]) == (405, "MethodNotAllowed")
    async with http.post("/api/v1", json={}) as response:
        assert response.status == 405


# Reading


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


# Writing


async def test_an_update_of_an_old_version_is_a_conflict_and_no_change_is_no_write(http: aiohttp.ClientSession) -> None:
    created = await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        same = await response.json()
    assert same == created
    created["data"] = {"x": "2"}
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        changed = await response.json()
    assert int(changed["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        got = await response.json()
    assert (response.status, got["reason"]) == (409, "Conflict")
    assert got["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    created["metadata"] = {"name": "a", "uid": "another"}
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        assert response.status == 409
    async with http.put(CONFIG_MAPS + "/a", json={"metadata": {"name": "b"}}) as response:
        assert response.status == 400


async def test_many_patches_at_once_all_arrive(http: aiohttp.ClientSession) -> None:
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}})
    headers = {"Content-Type": "application/merge-patch+json"}

    async def patch(number: int) -> int:
        data = json.dumps({"data": {f"k{number}": "v"}})
        for _ in range(20):
            async with http.patch(CONFIG_MAPS + "/a", data=data, headers=headers) as response:
                if response.status == 200:
                    return 200
                assert response.status == 409
        return 409

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(patch(number)) for number in range(20)]
    assert {task.result() for task in running} == {200}
    assert len((await get(http, CONFIG_MAPS + "/a"))["data"]) == 20


async def test_only_one_of_many_creates_of_a_name_wins(http: aiohttp.ClientSession) -> None:
    async def create() -> int:
        async with http.post(CONFIG_MAPS, json={"metadata": {"name": "one"}}) as response:
            return response.status

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(create()) for _ in range(10)]
    assert sorted(task.result() for task in running) == [201, *[409] * 9]


async def test_generated_names_differ(http: aiohttp.ClientSession) -> None:
    names = {(await post(http, CONFIG_MAPS, {"metadata": {"generateName": "x-"}}))["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


async def test_a_dry_run_changes_nothing(http: aiohttp.ClientSession) -> None:
    got = await post(http, SERVICES + "?dryRun=All", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    assert got["spec"]["clusterIP"]
    await get(http, SERVICES + "/a", 404)
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}})
    async with http.delete(CONFIG_MAPS + "/a?dryRun=All") as response:
        assert response.status == 200
    await get(http, CONFIG_MAPS + "/a")


async def test_a_pod_is_bound_once_and_then_deleted_gracefully(http: aiohttp.ClientSession) -> None:
    created = await post(http, PODS, pod("p", terminationGracePeriodSeconds=7))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    wrong = {**binding, "metadata": {"name": "p", "uid": "other"}}
    await post(http, PODS + "/p/binding", wrong, 409)
    assert (await post(http, PODS + "/p/binding", binding))["status"] == "Success"
    bound = await get(http, PODS + "/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    again = await post(http, PODS + "/p/binding", binding, 409)
    assert again["message"].endswith('pod p is already assigned to node "n1"')
    async with http.delete(PODS + "/p") as response:
        going = await response.json()
    assert going["metadata"]["deletionGracePeriodSeconds"] == 7
    assert (await get(http, PODS + "/p"))["metadata"]["deletionTimestamp"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": "other"}}
    async with http.delete(PODS + "/p", json=options) as response:
        assert response.status == 409
    options["preconditions"] = {"uid": created["metadata"]["uid"]}
    async with http.delete(PODS + "/p", json=options) as response:
        assert response.status == 200
    await get(http, PODS + "/p", 404)


async def test_an_eviction_deletes_the_pod(http: aiohttp.ClientSession) -> None:
    await post(http, PODS, pod("p"))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    assert (await post(http, PODS + "/p/eviction", body))["status"] == "Success"
    await get(http, PODS + "/p", 404)


async def test_a_finalizer_holds_an_object_until_it_is_removed(http: aiohttp.ClientSession) -> None:
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    async with http.delete(CONFIG_MAPS + "/a") as response:
        assert (await response.json())["metadata"]["deletionTimestamp"]
    headers = {"Content-Type": "application/merge-patch+json"}
    more = '{"metadata":{"finalizers":["example.com/more","example.com/hold"]}}'
    async with http.patch(CONFIG_MAPS + "/a", data=more, headers=headers) as response:
        assert response.status == 422
    async with http.patch(CONFIG_MAPS + "/a", data='{"metadata":{"finalizers":null}}', headers=headers) as response:
        assert response.status == 200
    await get(http, CONFIG_MAPS + "/a", 404)


async def test_a_collection_is_deleted_by_selector(http: aiohttp.ClientSession) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await post(http, CONFIG_MAPS, {"metadata": {"name": name, "labels": {"l": label}}})
    async with http.delete(CONFIG_MAPS + "?labelSelector=l%3Dx") as response:
        assert response.status == 200
    assert [item["metadata"]["name"] for item in (await get(http, CONFIG_MAPS))["items"]] == ["c"]


async def test_a_namespace_goes_when_it_is_finalized(http: aiohttp.ClientSession) -> None:
    await post(http, "/api/v1/namespaces", {"metadata": {"name": "team"}})
    async with http.delete("/api/v1/namespaces/team") as response:
        going = await response.json()
    assert going["status"]["phase"] == "Terminating"
    got = await post(http, "/api/v1/namespaces/team/configmaps", {"metadata": {"name": "a"}}, 403)
    assert got["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    going["spec"] = {}
    async with http.put("/api/v1/namespaces/team/finalize", json=going) as response:
        assert response.status == 200
    await get(http, "/api/v1/namespaces/team", 404)
    for name in ("default", "kube-system", "kube-public"):
        async with http.delete(f"/api/v1/namespaces/{name}") as response:
            assert (await response.json())["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_scale_is_read_and_written(http: aiohttp.ClientSession) -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    await post(http, DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    scale = await get(http, DEPLOYMENTS + "/d/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 2}, {"replicas": 0, "selector": "app=a"})
    scale["spec"]["replicas"] = 5
    async with http.put(DEPLOYMENTS + "/d/scale", json=scale) as response:
        assert (await response.json())["spec"] == {"replicas": 5}
    scaled = await get(http, DEPLOYMENTS + "/d")
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (5, 2)


async def test_status_and_spec_are_written_apart(http: aiohttp.ClientSession) -> None:
    created = await post(http, PODS, pod("p"))
    created["status"]["phase"] = "Running"
    created["metadata"]["labels"] = {"a": "b"}
    async with http.put(PODS + "/p", json=created) as response:
        changed = await response.json()
    assert changed["status"]["phase"] == "Pending"
    changed["status"]["phase"] = "Running"
    changed["spec"]["containers"][0]["image"] = "other"
    async with http.put(PODS + "/p/status", json=changed) as response:
        got = await response.json()
    assert (got["status"]["phase"], got["spec"]["containers"][0]["image"]) == ("Running", "i")


async def test_the_same_event_is_shown_in_both_groups(http: aiohttp.ClientSession) -> None:
    body = {
        "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Started", "message": "hello", "type": "Normal", "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await post(http, "/api/v1/namespaces/default/events", body)
    seen = await get(http, "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (seen["apiVersion"], seen["note"], seen["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
    listed = await get(http, "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp")
    assert len(listed["items"]) == 1


# The server


async def test_what_was_written_and_allocated_survives_a_restart(tmp_path: Path) -> None:
    async with api_world(tmp_path) as first, first.http(first.admin()) as http:
        body = {"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
        before = await post(http, SERVICES, body)
    async with api_world(tmp_path) as second, second.http(second.admin()) as http:
        assert await get(http, SERVICES + "/a") == before
        clash = {"metadata": {"name": "b"}, "spec": {"clusterIP": before["spec"]["clusterIP"], "ports": [{"port": 80}]}}
        got = await post(http, SERVICES, clash, 422)
        assert "provided IP is already allocated" in got["message"]
        assert (await get(http, SERVICES + "/kubernetes"))["spec"]["clusterIP"] == "10.96.0.1"
        slices = await get(http, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
        assert slices["endpoints"][0]["addresses"] == ["192.0.2.1"]


async def test_a_port_in_use_is_said_clearly(world: ApiWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ExceptionGroup) as caught:
        async with api_world(other, settings=ApiSettings(address="127.0.0.1", port=world.server.port)):
            pass
    found: BaseException = caught.value
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, CannotListen)
    assert str(found) == f"cannot serve the API on 127.0.0.1:{world.server.port}: the port is in use by another process"
