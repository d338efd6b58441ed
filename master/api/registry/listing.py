"""Lists from the watch cache: selectors, limit and continue, the rules of resourceVersion.

Called by `Registry`. A list that is continued stays as of the revision of its first page: the pages come from a snapshot
(references to the cached objects, not copies), kept for a while and bounded in number; beyond that from what the watch cache
remembers (also after a restart), and when it forgot, the client gets 410 with a token to go on as of now.
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

import asyncio
import base64
import binascii
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from master.api.kinds.kind import Kind
from master.api.registry.selection import Selection
from master.api.registry.storage import prefix_of
from master.client.errors import Cause, StatusError, bad_request, gone, invalid
from master.store.cache import WatchCache
from master.store.cached import CachedObject
from master.store.protocol import Compacted

#: How long and how many lists that are read page by page are kept.
_SNAPSHOT_SECONDS = 300.0
_MAX_SNAPSHOTS = 64
#: How long a list waits for a revision that the cache does not show yet (kube-apiserver: 3 s).
_FRESH_SECONDS = 3.0
#: A revision fits into 63 bits.
_MAX_DIGITS = 18
_TOKEN_VERSION = "wherry/v1"
#: The revision in the token of a list that goes on as of now.
_NOW = -1
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing "
    "with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the "
    "time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list asks for; strings as in the request's query, "" when absent."""

    selection: Selection
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`remaining` is None when it is not known (selectors) or nothing remains."""

    objects: Sequence[CachedObject]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    """What a continue token says: as of which revision (_NOW: whatever is newest), and after which key."""

    v: str
    rv: int
    start: str


@dataclass(slots=True)
class _Snapshot:
    objects: Sequence[CachedObject]
    keys: Sequence[str]
    expires: float


class Lister:
    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._snapshots: OrderedDict[tuple[str, int], _Snapshot] = OrderedDict()

    async def list(self, kind: Kind, namespace: str, query: ListQuery) -> Page:
        """Raises StatusError 400, 410, 422 or 504."""
        check_resource_version(query)
        prefix = prefix_of(kind, namespace)
        if query.continue_token:
            return await self._continued(kind, prefix, query)
        objects, revision = self._cache.list(prefix)
        if query.resource_version not in ("", "0"):
            asked = int(query.resource_version)
            await wait_until_shown(self._cache, asked)
            objects, revision = self._cache.list(prefix)
            # A limit without a match means the very revision, too.
            if query.resource_version_match == "Exact" or (query.limit and not query.resource_version_match):
                objects, revision = self._as_of(prefix, asked), asked
        objects = await _in_version(kind, objects)
        if not query.limit or len(objects) <= query.limit:
            return Page(query.selection.of(objects), revision)
        self._keep(_shelf(kind, prefix), revision, objects)
        return _page(objects, 0, revision, query)

    def _as_of(self, prefix: str, revision: int) -> Sequence[CachedObject]:
        """Raises StatusError 410."""
        try:
            return self._cache.list_at(prefix, revision)
        except Compacted as error:
            raise gone(f"The resourceVersion for the provided list is too old: {error}") from error

    async def _continued(self, kind: Kind, prefix: str, query: ListQuery) -> Page:
        try:
            text = base64.urlsafe_b64decode(query.continue_token + "=" * (-len(query.continue_token) % 4))
            token = msgspec.json.decode(text, type=_Token)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise bad_request(f"continue key is not valid: {error}") from error
        if token.v != _TOKEN_VERSION or not (0 < token.rv <= self._cache.revision or token.rv == _NOW):
            raise bad_request("continue key is not valid: incorrect encoded version")
        if token.rv == _NOW:
            objects, revision = self._cache.list(prefix)
            return self._rest(_shelf(kind, prefix), await _in_version(kind, objects), revision, token.start, query)
        snapshot = self._snapshots.get((_shelf(kind, prefix), token.rv))
        if snapshot is not None and snapshot.expires >= time.monotonic():
            return _page(snapshot.objects, bisect_right(snapshot.keys, token.start), token.rv, query)
        try:
            objects = self._cache.list_at(prefix, token.rv)
        except Compacted as error:
            raise StatusError(410, "Expired", _TOO_OLD, continue_token=_encoded(_NOW, token.start)) from error
        return self._rest(_shelf(kind, prefix), await _in_version(kind, objects), token.rv, token.start, query)

    def _rest(self, prefix: str, objects: Sequence[CachedObject], revision: int, after: str, query: ListQuery) -> Page:
        """The next page of objects that no snapshot is kept of (yet)."""
        start = bisect_right(objects, after, key=lambda obj: obj.key)
        if query.limit and len(objects) - start > query.limit:
            self._keep(prefix, revision, objects)
        return _page(objects, start, revision, query)

    def _keep(self, prefix: str, revision: int, objects: Sequence[CachedObject]) -> None:
        now = time.monotonic()
        snapshot = _Snapshot(objects, [obj.key for obj in objects], now + _SNAPSHOT_SECONDS)
        self._snapshots[(prefix, revision)] = snapshot
        self._snapshots.move_to_end((prefix, revision))
        while self._snapshots:
            oldest = next(iter(self._snapshots.values()))
            if len(self._snapshots) <= _MAX_SNAPSHOTS and oldest.expires >= now:
                break
            self._snapshots.popitem(last=False)


def _shelf(kind: Kind, prefix: str) -> str:
    """Where a list is kept: the same keys give other objects in other versions."""
    return prefix if kind.conversion is None else f"{prefix}?{kind.version}"


async def _in_version(kind: Kind, objects: Sequence[CachedObject]) -> Sequence[CachedObject]:
    return objects if kind.conversion is None else await kind.conversion.shown(objects)


def check_resource_version(query: ListQuery) -> None:
    """Raises StatusError 400 or 422 for a resourceVersion or a match that makes no sense."""
    version, match = query.resource_version, query.resource_version_match
    parse_revision(version)
    causes = []
    if match and query.continue_token:
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden",
                            "Forbidden: resourceVersionMatch is forbidden when continue is provided"))  # fmt: skip
    elif match and not version:
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden",
                            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"))  # fmt: skip
    elif match and match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        causes.append(Cause("resourceVersionMatch", "FieldValueNotSupported", text))
    elif match == "Exact" and version == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    if query.continue_token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def parse_revision(version: str) -> int:
    """A resourceVersion that a client sent; 0 for none. Raises StatusError 400."""
    if not version:
        return 0
    if not (version.isascii() and version.isdigit() and len(version) <= _MAX_DIGITS):
        shown = version[:64]
        raise bad_request(f'Invalid value: "{shown}": strconv.ParseUint: parsing "{shown}": invalid syntax')
    return int(version)


async def wait_until_shown(cache: WatchCache, revision: int) -> None:
    """Wait for a revision that a client has seen elsewhere. Raises StatusError 504 when it does not come."""
    try:
        async with asyncio.timeout(_FRESH_SECONDS):
            await cache.wait_for(revision)
    except TimeoutError:
        message = f"Too large resource version: {revision}, current: {cache.revision}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        details = {"causes": [cause], "retryAfterSeconds": 1}
        raise StatusError(504, "Timeout", f"Timeout: {message}", details=details) from None


def _page(objects: Sequence[CachedObject], start: int, revision: int, query: ListQuery) -> Page:
    selection = query.selection
    limit = query.limit or len(objects)
    if selection.everything:
        found = objects[start : start + limit]
        end = start + len(found)
    else:
        chosen: list[CachedObject] = []
        end = start
        while end < len(objects) and len(chosen) < limit:
            if selection.matches(objects[end]):
                chosen.append(objects[end])
            end += 1
        found = chosen
    if end >= len(objects):
        return Page(found, revision)
    last = objects[end - 1]
    remaining = len(objects) - end if selection.everything else None
    return Page(found, revision, _encoded(revision, last.key), remaining)


def _encoded(revision: int, after: str) -> str:
    token = _Token(v=_TOKEN_VERSION, rv=revision, start=after)
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")
