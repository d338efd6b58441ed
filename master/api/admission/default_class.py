"""Which class is the default one, as storage and ingress classes say it: by an annotation."""

from collections.abc import Iterable

from master.client.protocol import Json


def default_class(classes: Iterable[Json], *annotations: str) -> str:
    """The name of the newest class with one of the annotations set to "true"; "" when there is none."""
    names = [
        one["metadata"]
        for one in classes
        if any((one["metadata"].get("annotations") or {}).get(annotation) == "true" for annotation in annotations)
    ]
    # Of classes of the same age the first by name: two sorts, the second is stable.
    names.sort(key=lambda metadata: str(metadata["name"]))
    names.sort(key=lambda metadata: str(metadata.get("creationTimestamp", "")), reverse=True)
    return str(names[0]["name"]) if names else ""
