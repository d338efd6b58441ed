"""Requests for resources: which verb of the registry each one is, with what its body and query say. Called by `ApiServer`."""

import secrets

from aiohttp import web
from msgspec.structs import replace

from master.api.audit.current import request_object
from master.api.auth.protocol import UserInfo
from master.api.http import bodies, list_stream
from master.api.http.component_statuses import ComponentStatuses
from master.api.http.connect import connect_options
from master.api.http.field_validation import FieldValidation
from master.api.http.forms import include_object, object_in_form, page_in_form
from master.api.http.logs import PodLogs
from master.api.http.negotiation import accepted
from master.api.http.protocols import ProxyHandler, StreamingHandler
from master.api.http.query import is_true
from master.api.http.request_info import RequestInfo
from master.api.http.responses import encoded
from master.api.http.warnings import recorder
from master.api.http.watches import WatchResponder
from master.api.http.watches import parse as parse_watch
from master.api.http.write_query import WriteQuery
from master.api.http.write_query import parse as parse_query
from master.api.http.writes import Writes
from master.api.kinds.kind import Kind
from master.api.patch.json_patch import unknown_members
from master.api.registry.deletion import delete_options
from master.api.registry.evictions import Evictions
from master.api.registry.listing import ListQuery
from master.api.registry.registry import Registry
from master.api.registry.selection import Selection
from master.api.registry.storage import decode
from master.api.registry.write_options import Check, WriteOptions
from master.api.settings import ApiSettings
from master.client.errors import Cause, StatusError, bad_request, invalid
from master.client.protocol import DeleteOptions, Json, PatchType, ResourceRef

COMPONENT_STATUSES = ResourceRef("", "v1", "componentstatuses")
_NAMESPACES = ResourceRef("", "v1", "namespaces")
EVICTION = "io.k8s.api.policy.v1.Eviction"
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"

#: The body is YAML, and so may be JSON.
_APPLY_TYPE = "application/apply-patch+yaml"
_STRATEGIC: PatchType = "application/strategic-merge-patch+json"
_PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "application/json-patch+json",
    "application/merge-patch+json": "application/merge-patch+json",
    "application/strategic-merge-patch+json": "application/strategic-merge-patch+json",
}
#: Verb of a request by what discovery calls it, for subresources that are streams.
STREAMING = frozenset({"exec", "attach", "portforward"})
PROXY = "proxy"
#: apiVersion and kind of the bodies of subresources that are not the object itself.
_BODIES = {
    "scale": ("autoscaling/v1", "Scale"),
    "binding": ("v1", "Binding"),
    "eviction": ("policy/v1", "Eviction"),
}
_WRITTEN = frozenset({"", "status", "scale", "finalize", "approval", "ephemeralcontainers", "resize"})


class Resources:
    def __init__(
        self,
        registry: Registry,
        settings: ApiSettings,
        writes: Writes,
        *,
        logs: PodLogs | None,
        streaming: StreamingHandler | None,
        proxy: ProxyHandler | None,
        components: ComponentStatuses,
    ) -> None:
        self._registry = registry
        self._evictions = Evictions(registry)
        self._settings = settings
        self._writes = writes
        self._logs = logs
        self._streaming = streaming
        self._proxy = proxy
        self._components = components
        self._watches = WatchResponder(registry, settings)

    def serves(self, info: RequestInfo) -> bool:
        return self._registry.kinds.get(info.group, info.version, info.resource) is not None

    async def respond(self, request: web.Request, info: RequestInfo, user: UserInfo) -> web.StreamResponse:
        """Raises StatusError."""
        kind = self._registry.kind(info.ref)
        if kind.deprecation:
            recorder(request).add(kind.deprecation)
        return await self._respond(request, info, kind, user)

    async def _respond(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.StreamResponse:
        if not kind.namespaced and info.namespace:
            # RequestInfo counts a namespace itself as inside of itself, and nothing else: rights in one namespace must not
            # reach another by …/namespaces/a/namespaces/b.
            if kind.resource != _NAMESPACES or info.name != info.namespace:
                raise page_not_found()
            info = replace(info, namespace="")
        if (info.rest and info.subresource != PROXY) or (info.subresource and info.subresource not in kind.subresources):
            raise page_not_found()
        if kind.namespaced and info.name and not info.namespace:
            raise page_not_found()
        if info.subresource == "log":
            return await self._log(request, info)
        if info.subresource == PROXY:
            if self._proxy is None:
                raise _no_streams()
            await self._admit_connection(request, info, user)
            return await self._proxy.respond(request, info)
        if info.subresource in STREAMING:
            return await self._stream(request, info, user)
        if not info.subresource and info.verb not in kind.verbs:
            raise method_not_allowed()
        match info.verb:
            case "get" if kind.resource == COMPONENT_STATUSES:
                return await self._component(request, info, kind)
            case "list" if kind.resource == COMPONENT_STATUSES:
                return await self._component_list(request, kind)
            case "get":
                return await self._get(request, info, kind)
            case "list":
                return await self._list(request, info, kind)
            case "watch":
                return await self._watch(request, info, kind)
            case "create":
                return await self._create(request, info, kind, user)
            case "update" if info.name and info.subresource in _WRITTEN:
                return await self._update(request, info, kind, user)
            case "patch" if info.name and info.subresource in _WRITTEN - {"finalize"}:
                return await self._patch(request, info, kind, user)
            case "delete" if not info.subresource:
                return await self._delete(request, info, kind, user)
            case "deletecollection" if not info.subresource:
                return await self._delete_collection(request, info, kind, user)
        raise method_not_allowed()

    # Reading

    async def _get(self, request: web.Request, info: RequestInfo, kind: Kind) -> web.Response:
        if info.subresource in ("binding", "eviction", "finalize"):
            raise method_not_allowed()
        wanted = accepted(request.headers.get("Accept", ""))
        raw = await self._registry.get(info.ref, info.namespace, info.name, subresource=info.subresource)
        if wanted.form and info.subresource in ("", "status"):
            raw = object_in_form(kind, raw, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    async def _list(self, request: web.Request, info: RequestInfo, kind: Kind) -> web.StreamResponse:
        wanted = accepted(request.headers.get("Accept", ""))
        page = await self._registry.page(kind, info.namespace, self._list_query(request, kind))
        if list_stream.is_large(request, page, wanted):
            return await list_stream.send(request, kind, page)
        raw = page_in_form(kind, page, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    async def _component(self, request: web.Request, info: RequestInfo, kind: Kind) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        raw = object_in_form(kind, self._components.get(info.name), wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    async def _component_list(self, request: web.Request, kind: Kind) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        page = self._components.page(self._list_query(request, kind).selection, self._registry.revision)
        raw = page_in_form(kind, page, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    async def _watch(self, request: web.Request, info: RequestInfo, kind: Kind) -> web.StreamResponse:
        fields = request.query.get("fieldSelector", "")
        if info.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={info.name}")))
        selection = Selection(kind, label_selector=request.query.get("labelSelector", ""), field_selector=fields)
        return await self._watches.respond(
            request,
            kind,
            info.namespace,
            parse_watch(request, selection, self._settings),
            accepted=accepted(request.headers.get("Accept", "")),
            include=include_object(request),
        )

    def _list_query(self, request: web.Request, kind: Kind) -> ListQuery:
        query = request.query
        limit = query.get("limit", "") or "0"
        if not (limit.isascii() and limit.isdigit() and len(limit) < 19):
            raise bad_request(f'strconv.ParseInt: parsing "{limit[:64]}": invalid syntax')
        return ListQuery(
            Selection(kind, label_selector=query.get("labelSelector", ""), field_selector=query.get("fieldSelector", "")),
            limit=int(limit),
            continue_token=query.get("continue", ""),
            resource_version=query.get("resourceVersion", ""),
            resource_version_match=query.get("resourceVersionMatch", ""),
        )

    # Writing

    async def _create(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        if info.name and not info.subresource:
            raise method_not_allowed()
        if info.subresource not in ("", "binding", "eviction"):
            raise method_not_allowed()
        if kind.namespaced and not info.namespace:
            raise method_not_allowed()
        wanted = accepted(request.headers.get("Accept", ""))
        query = parse_query(request, "CreateOptions")
        body, check, size = await self._body(request, info, kind, user)
        options = _options(request, user, query, check.check, size)
        registry = self._registry
        if info.subresource == "eviction":
            checked = check.check(EVICTION, body)
            self._checked_delete_options(checked.get("deleteOptions") or {})
            raw = await self._writes.finish(self._evictions.evict(info.namespace, info.name, checked, options))
        elif info.subresource == "binding":
            raw = await self._writes.finish(
                registry.update(info.ref, info.namespace, info.name, body, options, subresource="binding")
            )
        else:
            raw = await self._writes.finish(registry.create(info.ref, info.namespace, body, options))
            raw = object_in_form(kind, raw, wanted, include_object(request))
        return await encoded(request, raw, code=201, as_yaml=wanted.yaml, warnings=check.warnings)

    async def _update(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        query = parse_query(request, "UpdateOptions")
        body, check, size = await self._body(request, info, kind, user)
        options = _options(request, user, query, check.check, size)
        raw = await self._writes.finish(
            self._registry.update(info.ref, info.namespace, info.name, body, options, subresource=info.subresource)
        )
        if info.subresource != "scale":
            raw = object_in_form(kind, raw, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml, warnings=check.warnings)

    async def _patch(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        media_type = bodies.content_type(request)
        if media_type == _APPLY_TYPE:
            return await self._apply(request, info, kind, user)
        patch_type = _PATCH_TYPES.get(media_type)
        if patch_type is None or (patch_type == _STRATEGIC and kind.is_custom):
            raise bodies.unsupported(*(name for name in (*_PATCH_TYPES, _APPLY_TYPE)
                                       if name != _STRATEGIC or not kind.is_custom))  # fmt: skip
        query = parse_query(request, "PatchOptions")
        raw = await self._read(request)
        decoded = bodies.decode(raw, "application/json")
        patch = decoded.value
        if not isinstance(patch, list if patch_type == "application/json-patch+json" else dict):
            raise bad_request("error decoding patch: json: cannot unmarshal the patch into Go value of its type")
        request_object(patch)
        check = FieldValidation.of(
            request, self._registry.schemas, kind=kind.kind, version=kind.version, duplicates=decoded.duplicates
        )
        if patch_type == "application/json-patch+json":
            check.found_in_patch(unknown_members(patch))
        options = _options(request, user, query, check.check_patched, len(raw))
        raw = await self._writes.finish(
            self._registry.patch(info.ref, info.namespace, info.name, patch_type, patch, options, subresource=info.subresource)
        )
        if info.subresource != "scale":
            raw = object_in_form(kind, raw, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml, warnings=check.warnings)

    async def _apply(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        """Server-side apply: PATCH with a body that says what the client wants to be there, and nothing else."""
        wanted = accepted(request.headers.get("Accept", ""))
        query = parse_query(request, "PatchOptions", applies=True)
        sent = await self._read(request)
        decoded = await bodies.decode_sent(sent, bodies.YAML, user)
        config: Json = decoded.value
        api_version, name = _BODIES.get(info.subresource, (kind.api_version, kind.kind))
        if (config.get("apiVersion"), config.get("kind")) != (api_version, name):
            raise bad_request(f"invalid object type: {config.get('apiVersion') or '/'}, Kind={config.get('kind') or ''}")
        if not isinstance(config.get("metadata"), dict | None):
            raise bad_request("error decoding patch: metadata must be an object")
        check = FieldValidation.of(request, self._registry.schemas, kind=name, version=api_version.rpartition("/")[2])
        if decoded.repeated_keys:
            check.found_in_config(decoded.repeated_keys)

        def may_create() -> None:
            self._registry.authorization.check(replace(info, verb="create").attributes(user))

        options = _options(request, user, query, check.check_patched, len(sent))
        options = replace(options, force=query.force, may_create=may_create)
        raw, created = await self._writes.finish(
            self._registry.apply(info.ref, info.namespace, info.name, config, options, subresource=info.subresource)
        )
        if info.subresource != "scale":
            raw = object_in_form(kind, raw, wanted, include_object(request))
        code = 201 if created else 200
        return await encoded(request, raw, code=code, as_yaml=wanted.yaml, warnings=check.warnings)

    async def _delete(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        options = await self._delete_options(request, user)
        raw = await self._writes.finish(
            self._registry.delete(info.ref, info.namespace, info.name, options, user=user, warn=recorder(request).add)
        )
        raw = object_in_form(kind, raw, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    async def _delete_collection(self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        options = await self._delete_options(request, user)
        query = self._list_query(request, kind)
        page = await self._writes.finish(
            self._registry.delete_collection(kind, info.namespace, query, options, user=user, warn=recorder(request).add)
        )
        raw = page_in_form(kind, page, wanted, include_object(request))
        return await encoded(request, raw, as_yaml=wanted.yaml)

    # Bodies

    async def _read(self, request: web.Request) -> bytes:
        settings = self._settings
        return await bodies.read(request, limit=settings.max_body_bytes, seconds=settings.body_timeout_seconds)

    async def _body(
        self, request: web.Request, info: RequestInfo, kind: Kind, user: UserInfo
    ) -> tuple[Json, FieldValidation, int]:
        """The object that was sent, of the right apiVersion and kind, how it is to be checked, and its bytes."""
        media_type = bodies.content_type(request)
        # Custom resources have no messages that protobuf could carry, but their Scale has.
        without = {bodies.PROTOBUF_TYPE} if kind.is_custom and info.subresource != "scale" else set()
        if not bodies.is_accepted(media_type) or media_type in without:
            raise bodies.unsupported(*(name for name in bodies.ACCEPTED if name not in without))
        raw = await self._read(request)
        decoded = await bodies.decode_sent(raw, media_type, user)
        body: Json = decoded.value
        request_object(body)
        api_version, name = _BODIES.get(info.subresource, (kind.api_version, kind.kind))
        check_type(body, api_version, name)
        metadata = body.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            what = bodies.go_type(metadata)
            why = f"json: cannot unmarshal {what} into Go struct field {name}.metadata of type v1.ObjectMeta"
            raise bad_request(f'{name} in version "{kind.version}" cannot be handled as a {name}: {why}')
        version = api_version.rpartition("/")[2]
        check = FieldValidation.of(request, self._registry.schemas, kind=name, version=version, duplicates=decoded.duplicates)
        if decoded.repeated_keys:
            check.found_in_yaml(decoded.repeated_keys)
        return body, check, len(raw)

    async def _delete_options(self, request: web.Request, user: UserInfo) -> DeleteOptions:
        """DeleteOptions from the body, or from the query when there is none."""
        raw = await self._read(request)
        dry_run = dry_run_of(request)
        if raw.strip():
            body: Json = (await bodies.decode_sent(raw, bodies.content_type(request), user)).value
            request_object(body)
            if body.get("kind") not in (None, "", "DeleteOptions"):
                raise bad_request(f"decoded object cannot be converted to DeleteOptions: it is a {body['kind']}")
            return self._checked_delete_options(body, dry_run=dry_run)
        query = request.query
        body = {}
        if grace := query.get("gracePeriodSeconds", ""):
            try:
                body["gracePeriodSeconds"] = int(grace)
            except ValueError:
                raise bad_request(f'strconv.ParseInt: parsing "{grace[:64]}": invalid syntax') from None
        if policy := query.get("propagationPolicy", ""):
            body["propagationPolicy"] = policy
        if orphan := query.get("orphanDependents", ""):
            body["orphanDependents"] = is_true(orphan)
        return delete_options(body, dry_run=dry_run)

    def _checked_delete_options(self, body: Json, *, dry_run: bool = False) -> DeleteOptions:
        check = FieldValidation(self._registry.schemas, "Ignore", kind="DeleteOptions", version="v1")
        return delete_options(check.check(DELETE_OPTIONS, body), dry_run=dry_run)

    # Streams

    async def _log(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        if info.verb != "get":
            raise method_not_allowed()
        pod = decode(await self._registry.get(info.ref, info.namespace, info.name))
        if self._logs is None:
            raise _no_streams()
        return await self._logs.respond(request, pod, secrets.token_hex(16))

    async def _stream(self, request: web.Request, info: RequestInfo, user: UserInfo) -> web.StreamResponse:
        if info.verb not in ("get", "create"):
            raise method_not_allowed()
        if info.verb == "get":
            # A WebSocket begins with a GET, and is no less than the POST of other clients: who may only read opens none.
            self._registry.authorization.check(replace(info.attributes(user), verb="create"))
        pod = decode(await self._registry.get(info.ref, info.namespace, info.name))
        if self._streaming is None:
            raise _no_streams()
        await self._admit_connection(request, info, user)
        return await self._streaming.handle(request, pod, info.subresource)

    async def _admit_connection(self, request: web.Request, info: RequestInfo, user: UserInfo) -> None:
        """Raises StatusError when a webhook or policy refuses."""
        options = WriteOptions(user=user, warn=recorder(request).add)
        asked = connect_options(request, info)
        await self._registry.admit(
            info.ref, info.namespace, info.name, asked, options, subresource=info.subresource, operation="CONNECT"
        )


def page_not_found() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _no_streams() -> StatusError:
    return StatusError(503, "ServiceUnavailable", "nodes cannot be reached: this server carries no streams")


def _options(request: web.Request, user: UserInfo, query: WriteQuery, check: Check, size: int) -> WriteOptions:
    warn = recorder(request).add
    return WriteOptions(user=user, dry_run=query.dry_run, check=check, field_manager=query.manager, warn=warn, size=size)


def dry_run_of(request: web.Request) -> bool:
    asked = request.query.getall("dryRun", [])
    wrong = [value for value in asked if value not in ("", "All")]
    if wrong:
        text = f'Unsupported value: []string{{"{wrong[0]}"}}: supported values: "All"'
        raise invalid("CreateOptions", "meta.k8s.io", "", [Cause("dryRun", "FieldValueNotSupported", text)])
    return "All" in asked


def check_type(body: Json, api_version: str, kind: str) -> None:
    """Raises StatusError 400 when the body says that it is something else."""
    sent_version, sent_kind = body.get("apiVersion") or api_version, body.get("kind") or kind
    if not isinstance(sent_version, str) or not isinstance(sent_kind, str):
        raise bad_request("couldn't get version/kind; json parse error: apiVersion and kind must be strings")
    if sent_kind != kind:
        raise bad_request(
            f'{sent_kind} in version "{sent_version.rpartition("/")[2]}" cannot be handled as a {kind}: '
            f'no kind "{sent_kind}" is served at this path'
        )
    if sent_version != api_version:
        raise bad_request(
            f"the API version in the data ({sent_version}) does not match the expected API version ({api_version})"
        )
    body["apiVersion"], body["kind"] = api_version, kind
