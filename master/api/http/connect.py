"""What a connection asks for, as the object that admission sees of it (operation CONNECT): PodExecOptions and its like.

Webhooks and policies may refuse a connection; what a webhook changes in its options is not followed (ADR 22).
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from master.api.http.query import is_true
from master.api.http.request_info import RequestInfo
from master.client.protocol import Json

_KINDS: Mapping[tuple[str, str], str] = {
    ("pods", "exec"): "PodExecOptions",
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}
_STREAMS = ("stdin", "stdout", "stderr", "tty")


def connect_options(request: web.Request, info: RequestInfo) -> Json:
    """The options of a connection to a subresource, from its query and path."""
    query = request.query
    options: dict[str, Any] = {"kind": _KINDS[info.resource, info.subresource], "apiVersion": "v1"}
    match info.subresource:
        case "exec" | "attach":
            options |= {name: True for name in _STREAMS if is_true(query.get(name, ""))}
            if container := query.get("container", ""):
                options["container"] = container
            if info.subresource == "exec":
                options["command"] = query.getall("command", [])
        case "portforward":
            ports = [int(port) for port in query.getall("ports", []) if port.isascii() and port.isdigit() and len(port) < 6]
            if ports:
                options["ports"] = ports
        case _:
            options["path"] = "/" + "/".join(info.rest)
    return options
