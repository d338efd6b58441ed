"""Objects in the form that the client accepts: as they are, as a Table, or their metadata alone."""

from collections.abc import Sequence
from typing import Literal, cast

from aiohttp import web

from master.api.http.negotiation import Accepted
from master.api.kinds.kind import Kind
from master.api.printers.table import table
from master.api.registry.listing import Page
from master.api.registry.storage import decode, encode
from master.api.registry.watching import shown
from master.client.errors import bad_request
from master.client.protocol import Json

IncludeObject = Literal["Metadata", "Object", "None"]


def include_object(request: web.Request) -> IncludeObject:
    """What each row of a table carries. Raises StatusError 400."""
    asked = request.query.get("includeObject", "") or "Metadata"
    if asked not in ("Metadata", "Object", "None"):
        raise bad_request(f"unrecognized includeObject value: {asked!r}")
    return cast(IncludeObject, asked)


def object_in_form(kind: Kind, raw: bytes, accepted: Accepted, include: IncludeObject) -> bytes:
    """One object, encoded."""
    if not accepted.form:
        return raw
    obj = decode(raw)
    if obj.get("kind") == "Status":
        return raw
    if accepted.form == "Table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return encode(_table(kind, [obj], accepted, include, metadata))
    return encode(_partial(obj, accepted))


def page_in_form(kind: Kind, page: Page, accepted: Accepted, include: IncludeObject) -> bytes:
    """A list, encoded. A plain one is put together from bytes: no object is decoded."""
    if not accepted.form:
        head, tail = page_frame(kind, page)
        return b"".join((head, b",".join([shown(kind, cached) for cached in page.objects]), tail))
    metadata = _page_metadata(page)
    objects = [decode(shown(kind, cached)) for cached in page.objects]
    if accepted.form == "Table":
        return encode(_table(kind, objects, accepted, include, metadata))
    return encode(
        {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{accepted.version}",
            "metadata": metadata,
            "items": [_partial(obj, accepted) for obj in objects],
        }
    )


def page_frame(kind: Kind, page: Page) -> tuple[bytes, bytes]:
    """What stands before and after the objects of a plain list, which are separated by commas."""
    head = encode({"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": _page_metadata(page)})
    return head[:-1] + b',"items":[', b"]}\n"


def _page_metadata(page: Page) -> Json:
    metadata: Json = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def watched_in_form(kind: Kind, raw: bytes, accepted: Accepted, include: IncludeObject, *, first: bool) -> bytes:
    """An object of a watch event. Only the first table of a watch repeats its columns, as kube-apiserver does."""
    if not accepted.form:
        return raw
    obj = decode(raw)
    if accepted.form != "Table":
        return encode(_partial(obj, accepted))
    metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    shown_table = _table(kind, [obj], accepted, include, metadata)
    if not first:
        shown_table["columnDefinitions"] = None
    return encode(shown_table)


def bookmark_in_form(kind: Kind, revision: int, accepted: Accepted, *, initial_events_end: bool) -> bytes:
    """The object of a bookmark: nothing but its revision, and whether the initial events have all been sent."""
    metadata: Json = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj: Json = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
    if accepted.form == "Table":
        return encode(
            {
                "kind": "Table",
                "apiVersion": f"meta.k8s.io/{accepted.version}",
                "metadata": {"resourceVersion": str(revision)},
                "columnDefinitions": [column.definition() for column in kind.columns],
                "rows": [{"cells": [None] * len(kind.columns), "object": _partial(obj, accepted)}],
            }
        )
    return encode(_partial(obj, accepted) if accepted.form else obj)


def _table(kind: Kind, objects: Sequence[Json], accepted: Accepted, include: IncludeObject, metadata: Json) -> Json:
    shown_table = table(kind, objects, include_object=include)
    shown_table["apiVersion"] = f"meta.k8s.io/{accepted.version}"
    shown_table["metadata"] = metadata
    return shown_table


def _partial(obj: Json, accepted: Accepted) -> Json:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{accepted.version}",
        "metadata": obj["metadata"],
    }
