"""The seam to the OpenAPI documents (see `master.api.openapi`)."""

from typing import Protocol


class OpenApiDocuments(Protocol):
    """Encoded documents; each is made once."""

    def v2_json(self) -> bytes: ...

    def v2_protobuf(self) -> bytes:
        """gnostic's openapi.v2.Document: what kubectl asks for, whatever its version."""
        ...

    def v3_paths(self) -> "dict[str, bytes]":
        """Documents by path below /openapi/v3 ("api/v1", "apis/apps/v1")."""
        ...
