"""What form of answer a client accepts: JSON or YAML; the object itself, a Table, or its metadata alone.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from master.client.errors import StatusError

Form = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

_JSON = ("application/json", "*/*", "application/*")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")


@dataclass(frozen=True, slots=True)
class MediaType:
    """One entry of an Accept header, without its weight."""

    name: str
    parameters: tuple[tuple[str, str], ...]

    def get(self, parameter: str) -> str:
        return dict(self.parameters).get(parameter, "")


@dataclass(frozen=True, slots=True)
class Accepted:
    """`form` is "" for the object itself; `version` of meta.k8s.io otherwise. `pretty`: for people's eyes."""

    yaml: bool = False
    form: Form = ""
    version: str = "v1"


@lru_cache(maxsize=256)
def media_types(header: str) -> tuple[MediaType, ...]:
    """The entries of an Accept header, best first."""
    weighted = []
    for index, entry in enumerate(header.split(",")):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if not name:
            continue
        pairs = []
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            key, value = key.strip().lower(), value.strip().strip('"')
            if key == "q":
                weight = _weight(value)
            else:
                pairs.append((key, value))
        if weight > 0:
            weighted.append((-weight, index, MediaType(name.lower(), tuple(pairs))))
    return tuple(media for _, _, media in sorted(weighted, key=lambda item: item[:2]))


@lru_cache(maxsize=256)
def accepted(header: str) -> Accepted:
    """The first form that is served here. Raises StatusError 406."""
    for media in media_types(header or "*/*"):
        yaml = media.name in _YAML
        if not yaml and media.name not in _JSON:
            continue
        form, group, version = media.get("as"), media.get("g"), media.get("v")
        if not form:
            return Accepted(yaml)
        if group != "meta.k8s.io" or version not in ("v1", "v1beta1"):
            continue
        if form == "Table":
            return Accepted(yaml, "Table", version)
        if form == "PartialObjectMetadata":
            return Accepted(yaml, "PartialObjectMetadata", version)
        if form == "PartialObjectMetadataList":
            return Accepted(yaml, "PartialObjectMetadataList", version)
    raise StatusError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
    )


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
