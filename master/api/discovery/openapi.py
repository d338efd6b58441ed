"""The seam to the OpenAPI documents (see `master.api.openapi`)."""

from typing import Protocol


class OpenApiDocuments(Protocol):
    """Encoded documents. Making one may take a while: call in a thread, one call at a time."""

    @property
    def generation(self) -> int:
        """Changes when documents do."""
        ...

    def v2_json(self) -> bytes: ...

    def v2_protobuf(self) -> bytes:
        """gnostic's openapi.v2.Document: what kubectl asks for, whatever its version."""
        ...

    def v3_tags(self) -> dict[str, str]:
        """The hash of each document by its path below /openapi/v3 ("api/v1", "apis/apps/v1")."""
        ...

    def v3(self, path: str) -> bytes:
        """The document of a path that `v3_tags` has."""
        ...
