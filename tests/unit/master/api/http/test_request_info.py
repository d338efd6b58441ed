"""What a request's path and method mean."""

import pytest

from master.api.auth.protocol import UserInfo
from master.api.http.request_info import parse


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", ("list", "", "pods", "", "a", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", ("get", "", "pods", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/pods/b/log", ("get", "", "pods", "log", "a", "b")),
        ("POST", "/api/v1/namespaces/a/pods/b/exec", ("create", "", "pods", "exec", "a", "b")),
        ("DELETE", "/api/v1/namespaces/a/pods", ("deletecollection", "", "pods", "", "a", "")),
        ("GET", "/api/v1/namespaces", ("list", "", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/a", ("get", "", "namespaces", "", "a", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", ("update", "", "namespaces", "finalize", "a", "a")),
        ("PUT", "/api/v1/namespaces/a/status", ("update", "", "namespaces", "status", "a", "a")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", ("patch", "apps", "deployments", "scale", "a", "b")),
        ("GET", "/api/v1/watch/namespaces/a/pods", ("watch", "", "pods", "", "a", "")),
        ("GET", "/api/v1/nodes/n", ("get", "", "nodes", "", "", "n")),
    ],
)
def test_a_resource_path_is_read(method: str, path: str, expected: tuple[str, ...]) -> None:
    info = parse(method, path, watch=False)
    assert info.is_resource
    assert (info.verb, info.group, info.resource, info.subresource, info.namespace, info.name) == expected


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v2"])
def test_other_paths_are_no_resources(path: str) -> None:
    info = parse("GET", path, watch=False)
    assert not info.is_resource
    assert info.verb == "get"


def test_a_get_with_watch_is_a_watch() -> None:
    assert parse("GET", "/api/v1/pods", watch=True).verb == "watch"
    assert parse("GET", "/api/v1/namespaces/a/pods/b", watch=True).verb == "watch"
    assert parse("DELETE", "/api/v1/pods", watch=True).verb == "deletecollection"


@pytest.mark.parametrize(
    ("method", "selector", "name"),
    [
        ("GET", "metadata.name=a", "a"),
        ("GET", "metadata.name==a,status.phase!=Failed", "a"),
        ("GET", "metadata.name!=a", ""),
        ("GET", "metadata.name=a/b", ""),
        ("GET", "metadata.namespace=a", ""),
        ("GET", "", ""),
        ("DELETE", "metadata.name=a", ""),
    ],
)
def test_a_list_of_one_name_is_authorised_as_that_name(method: str, selector: str, name: str) -> None:
    for watch in (False, True):
        info = parse(method, "/api/v1/namespaces/n/pods", watch=watch, field_selector=selector)
        assert info.name == ""
        assert info.attributes(UserInfo("jane")).name == name


def test_a_selector_beside_a_name_does_not_count() -> None:
    info = parse("GET", "/api/v1/namespaces/n/pods/b", watch=False, field_selector="metadata.name=a")
    attributes = info.attributes(UserInfo("jane"))
    assert (attributes.name, attributes.field_selector) == ("b", "")
