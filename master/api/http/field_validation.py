"""The query parameter fieldValidation: what happens to fields that a schema does not know, and to values of wrong types.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

from collections.abc import Sequence
from typing import Literal, cast

from aiohttp import web

from master.api.http.responses import Warnings
from master.api.schema.schemas import Schemas, TypeMismatch
from master.client.errors import Cause, StatusError, bad_request, invalid
from master.client.protocol import Json

Mode = Literal["Strict", "Warn", "Ignore"]


class FieldValidation:
    """The check of one request (`master.api.registry.registry.Check`); gathers warnings for its answer."""

    def __init__(self, schemas: Schemas, mode: Mode, *, kind: str, version: str, duplicates: Sequence[str] = ()) -> None:
        """`duplicates`: paths of fields that the body has twice; `kind` and `version`: what it is decoded as."""
        self._schemas = schemas
        self._mode = mode
        self._kind = kind
        self._version = version
        self._duplicates = duplicates
        self._found: Sequence[str] = ()
        self.warnings: Warnings = []

    @classmethod
    def of(
        cls,
        request: web.Request,
        schemas: Schemas,
        *,
        kind: str,
        version: str,
        duplicates: Sequence[str] = (),
    ) -> "FieldValidation":
        """Raises StatusError 422 for a mode that does not exist."""
        mode = request.query.get("fieldValidation", "") or "Warn"
        if mode not in ("Strict", "Warn", "Ignore"):
            text = f'Unsupported value: "{mode}": supported values: "", "Ignore", "Strict", "Warn"'
            raise invalid("CreateOptions", "meta.k8s.io", "", [Cause("fieldValidation", "FieldValueNotSupported", text)])
        return cls(schemas, cast(Mode, mode), kind=kind, version=version, duplicates=duplicates)

    def check(self, definition: str, body: Json) -> Json:
        """A body of a create or an update. Raises StatusError 400."""
        return self._checked(definition, body, patched=False)

    def check_patched(self, definition: str, body: Json) -> Json:
        """An object with its patch applied. Raises StatusError 400 or 422."""
        return self._checked(definition, body, patched=True)

    def found_in_patch(self, wrong: Sequence[str]) -> None:
        """What a strict reader finds in a JSON patch itself, in its words."""
        self._found = wrong

    def found_in_config(self, repeated: Sequence[str]) -> None:
        """Keys that the body of an apply repeats. Raises StatusError 400 when that counts."""
        if self._mode == "Strict":
            raise bad_request(f"error strict decoding patch: {_yaml_errors(repeated)}")
        self._warn(_yaml_errors(repeated))

    def found_in_yaml(self, repeated: Sequence[str]) -> None:
        """Keys that the YAML of a create or an update repeats. Raises StatusError 400 when that counts."""
        if self._mode == "Strict":
            raise self._refused(f"strict decoding error: {_yaml_errors(repeated)}")
        self._warn(_yaml_errors(repeated))

    def _warn(self, text: str) -> None:
        if self._mode == "Warn":
            self.warnings.append(text)

    def _checked(self, definition: str, body: Json, *, patched: bool) -> Json:
        try:
            normalized = self._schemas.normalize(definition, body)
        except TypeMismatch as error:
            raise self._refused(str(error)) from error
        messages = [f'unknown field "{path}"' for path in normalized.unknown_fields]
        messages += self._found
        if self._duplicates:
            messages += [f'duplicate field "{path}"' for path in self._duplicates]
        if messages and self._mode == "Strict":
            why = "strict decoding error: " + ", ".join(messages)
            if not patched:
                raise self._refused(why)
            text = f'Invalid value: "{self._kind}": {why}'
            raise invalid("", "", "", [Cause("patch", "FieldValueInvalid", text)])
        if self._mode == "Warn":
            self.warnings += [message for message in messages if message not in self.warnings]
        return normalized.object

    def _refused(self, why: str) -> StatusError:
        return bad_request(f'{self._kind} in version "{self._version}" cannot be handled as a {self._kind}: {why}')


def _yaml_errors(repeated: Sequence[str]) -> str:
    return "\n  ".join(("yaml: unmarshal errors:", *repeated))
