"""Objects of a definition in another version than they are stored in, and old ones with the defaults of today.

What was written since the definition changed last, in the version that is asked for, is handed out as it is. All else is
decoded, converted, pruned and defaulted, and remembered for a while: watchers and lists ask for the same objects again.
Source: k8s.io/apiextensions-apiserver pkg/apiserver/conversion.
"""

import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from operator import is_
from typing import Any, Protocol

import orjson
from msgspec.structs import replace

from master.api.custom_resources.structural.defaulting import default_object
from master.api.custom_resources.structural.pruning import prune
from master.api.custom_resources.structural.schema import has_defaults
from master.api.kinds.rules.metadata import validate_annotations, validate_labels
from master.client.errors import StatusError
from master.store.cached import CachedObject

Json = dict[str, Any]

#: What one version remembers of converted objects, in bytes.
_REMEMBERED_BYTES = 16 * 1024 * 1024
#: So many objects go into one call of a webhook.
_BATCH = 500
_WEBHOOK_SECONDS = 30.0


class ConversionFailed(Exception):
    """A webhook did not convert; says why."""


class Caller(Protocol):
    """Posts a review to a webhook (`master.api.webhook.client.WebhookClient`). Raises CallFailed."""

    async def post(self, config: Json, body: bytes, *, seconds: float) -> Json: ...


class Converter(Protocol):
    """Converts objects to another version of their group. Does not change them."""

    async def convert(self, objects: Sequence[Json], api_version: str) -> Sequence[Json]:
        """The objects, in the same order. Raises ConversionFailed."""
        ...


class ByName:
    """Strategy None: only the apiVersion changes."""

    async def convert(self, objects: Sequence[Json], api_version: str) -> Sequence[Json]:
        return [{**obj, "apiVersion": api_version} for obj in objects]


class ByWebhook:
    """Strategy Webhook. `failures`: the exceptions with which a call ends."""

    def __init__(self, definition: Json, caller: Caller, failures: tuple[type[Exception], ...]) -> None:
        webhook = definition["spec"]["conversion"]["webhook"]
        self._config: Json = webhook["clientConfig"]
        self._versions: list[str] = webhook["conversionReviewVersions"]
        self._kind: str = definition["spec"]["names"]["kind"]
        self._caller = caller
        self._failures = failures

    async def convert(self, objects: Sequence[Json], api_version: str) -> Sequence[Json]:
        converted: list[Json] = []
        for start in range(0, len(objects), _BATCH):
            converted += await self._convert(objects[start : start + _BATCH], api_version)
        return converted

    async def _convert(self, objects: Sequence[Json], api_version: str) -> Sequence[Json]:
        review_version = next((name for name in self._versions if name in ("v1", "v1beta1")), "v1")
        uid = str(uuid.uuid4())
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{review_version}",
            "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": list(objects)},
        }
        failed = f"conversion webhook for {objects[0]['apiVersion']}, Kind={self._kind} "
        try:
            body = orjson.dumps(review)
        except TypeError as error:
            raise ConversionFailed(f"{failed}failed: the objects cannot be encoded: {error}") from error
        try:
            answer = await self._caller.post(self._config, body, seconds=_WEBHOOK_SECONDS)
        except self._failures as error:
            raise ConversionFailed(f"{failed}failed: {error}") from error
        try:
            found = _objects_of(answer, review_version, uid)
        except ConversionFailed as error:
            raise ConversionFailed(f"{failed}failed: {error}") from error
        if len(found) != len(objects):
            raise ConversionFailed(f"{failed}returned {len(found)} objects, expected {len(objects)}")
        result = []
        for index, (before, after) in enumerate(zip(objects, found, strict=True)):
            try:
                result.append(_checked(before, after, api_version))
            except ConversionFailed as error:
                raise ConversionFailed(f"{failed}returned invalid converted object at index {index}: {error}") from error
        return result


def _objects_of(answer: Json, review_version: str, uid: str) -> list[Any]:
    expected = f"apiextensions.k8s.io/{review_version}"
    if answer.get("apiVersion") != expected or answer.get("kind") != "ConversionReview":
        got = f"{answer.get('apiVersion')}, Kind={answer.get('kind')}"
        raise ConversionFailed(f"expected webhook response of {expected}, Kind=ConversionReview, got {got}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise ConversionFailed("no response provided")
    if review_version == "v1" and response.get("uid") != uid:
        raise ConversionFailed(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result")
    status = result.get("status") if isinstance(result, dict) else None
    if status != "Success":
        message = result.get("message") if isinstance(result, dict) else None
        raise ConversionFailed(str(message) if message else f"response.result.status was '{status or ''}', not 'Success'")
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


def _checked(before: Json, after: Any, api_version: str) -> Json:
    """The converted object with the metadata of the old one: a webhook may change labels and annotations only."""
    if not isinstance(after, dict):
        raise ConversionFailed("it is no object")
    try:
        orjson.dumps(after)
    except TypeError as error:  # read four times as deep as can be written
        raise ConversionFailed(f"it cannot be encoded: {error}") from error
    if after.get("apiVersion") != api_version:
        got = after.get("apiVersion") or ""
        raise ConversionFailed(f"invalid groupVersion (expected {api_version}, received {got})")
    if after.get("kind") != before["kind"]:
        raise ConversionFailed(f"invalid kind (expected {before['kind']}, received {after.get('kind') or ''})")
    metadata = after.get("metadata")
    if not isinstance(metadata, dict):
        raise ConversionFailed("missing metadata in converted object")
    was = before["metadata"]
    for field, shown in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        if (metadata.get(field) or "") != (was.get(field) or ""):
            raise ConversionFailed(f"must have the same {shown}: {was.get(field) or ''} != {metadata.get(field) or ''}")
    kept = deepcopy(was)
    for field, validate in (("labels", validate_labels), ("annotations", validate_annotations)):
        found = metadata.get(field)
        if found is None:
            kept.pop(field, None)
            continue
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise ConversionFailed(f"invalid metadata.{field} in converted object")
        causes = validate(found, f"metadata.{field}") if found != was.get(field) else []
        if causes:
            raise ConversionFailed(f"invalid metadata.{field}: {causes[0].field}: {causes[0].message}")
        kept[field] = found
    return {**after, "metadata": kept}


class VersionConversion:
    """One version of a definition (`master.api.kinds.kind.Conversion`). `shapes`: the schemas of all versions by name."""

    def __init__(
        self,
        *,
        group: str,
        version: str,
        storage_version: str,
        shapes: Mapping[str, Json],
        stored_versions: Sequence[str],
        since: int,
        converter: Converter,
    ) -> None:
        self._group = group
        self._api_version = f"{group}/{version}"
        self._storage_api_version = f"{group}/{storage_version}"
        self._shapes = shapes
        self._schema = shapes[version]
        self.is_storage = version == storage_version
        self._since = since
        self._converter = converter
        #: Nothing was ever stored in another version, and there is nothing to fill in.
        self._as_stored = self.is_storage and set(stored_versions) <= {version} and not has_defaults(self._schema)
        #: Objects of several versions are stored: one may have been written in another just as the definition changed.
        self._mixed = set(stored_versions) != {version}
        self._marker = b'"apiVersion":"%s"' % self._api_version.encode()
        self._remembered: OrderedDict[tuple[str, int], CachedObject] = OrderedDict()
        self._remembered_bytes = 0

    def current_from(self, revision: int) -> None:
        """What is written from this revision on is written by this version's kind."""
        self._since = max(self._since, revision)

    async def shown(self, objects: Sequence[CachedObject]) -> Sequence[CachedObject]:
        if self._as_stored:
            return objects
        result = [self._known(obj) for obj in objects]
        missing = [index for index, known in enumerate(result) if known is None]
        if not missing and all(map(is_, result, objects)):
            return objects
        if missing:
            decoded = [objects[index].decode() for index in missing]
            for index, content in zip(missing, await self._in_version(decoded), strict=True):
                result[index] = self._remember(objects[index], content)
        return [obj for obj in result if obj is not None]

    async def stored(self, obj: Json) -> Json:
        if self.is_storage:
            return obj
        (converted,) = await self._converted([obj], self._storage_api_version)
        return self._shaped(converted, self._shapes[self._storage_api_version.rpartition("/")[2]])

    async def in_version(self, obj: Json) -> Json:
        return (await self._in_version([obj]))[0]

    def _known(self, obj: CachedObject) -> CachedObject | None:
        """The object in this version, when that needs no work."""
        if self.is_storage and obj.revision >= self._since and (not self._mixed or self._marker in obj.raw):
            return obj
        return self._remembered.get((obj.key, obj.revision))

    async def _in_version(self, objects: Sequence[Json]) -> Sequence[Json]:
        others = [obj for obj in objects if obj.get("apiVersion") != self._api_version]
        converted = iter(await self._converted(others, self._api_version) if others else ())
        return [
            self._shaped(obj if obj.get("apiVersion") == self._api_version else next(converted), self._schema)
            for obj in objects
        ]

    async def _converted(self, objects: Sequence[Json], api_version: str) -> Sequence[Json]:
        try:
            return await self._converter.convert(objects, api_version)
        except ConversionFailed as error:
            raise StatusError(500, "InternalError", str(error)) from error

    @staticmethod
    def _shaped(obj: Json, schema: Json) -> Json:
        obj = deepcopy(obj)
        prune(obj, schema)
        default_object(obj, schema)
        return obj

    def _remember(self, obj: CachedObject, content: Json) -> CachedObject:
        raw = orjson.dumps(content)
        shown = replace(obj, raw=raw, labels=content["metadata"].get("labels") or {})
        self._remembered[obj.key, obj.revision] = shown
        self._remembered_bytes += len(raw)
        while self._remembered_bytes > _REMEMBERED_BYTES and len(self._remembered) > 1:
            _, oldest = self._remembered.popitem(last=False)
            self._remembered_bytes -= len(oldest.raw)
        return shown
