"""A kopf operator: completes ConfigMaps that are labelled for it, and cleans up after them.

Run by tests/e2e/test_client_libraries.py through `kopf run`.
"""

from typing import Any

import kopf

MINE = {"operated": "yes"}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = True


@kopf.on.create("v1", "configmaps", labels=MINE)
def created(patch: kopf.Patch, body: kopf.Body, **_: Any) -> str:
    patch["data"] = {"seen": "created"}
    kopf.info(body, reason="Operated", message="the operator was here")
    return "done"


@kopf.on.field("v1", "configmaps", field="data.wanted", labels=MINE)
def changed(patch: kopf.Patch, new: str | None, **_: Any) -> None:
    if new is not None:
        patch["data"] = {"answered": new.upper()}


@kopf.on.delete("v1", "configmaps", labels=MINE)
def deleted(logger: Any, name: str, **_: Any) -> None:
    logger.info("cleaned up after %s", name)
