"""Events go when their time to live is over; those that are seen again stay."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from master.api.registry.event_expiry import EventExpiry
from tests.integration.api_world import ApiWorld, api_world
from tests.integration.master_cluster import master_running

EVENTS = "/api/v1/namespaces/default/events"


def event(name: str, **fields: Any) -> dict[str, Any]:
    involved = {"kind": "Pod", "namespace": "default", "name": "p"}
    return {"metadata": {"name": name}, "involvedObject": involved, "reason": "Pulled", "type": "Normal", **fields}


async def names(api: ApiWorld) -> list[str]:
    async with api.http(api.admin()) as http, http.get(EVENTS) as answer:
        return [item["metadata"]["name"] for item in (await answer.json())["items"]]


async def test_events_expire_unless_they_are_seen_again(tmp_path: Path) -> None:
    async with api_world(tmp_path) as api:
        expiry = EventExpiry(api.registry, api.registry.storage.cache, ttl_seconds=2)
        async with api.http(api.admin()) as http:
            for number in range(40):
                await http.post(EVENTS, json=event(f"old-{number}", lastTimestamp="2001-01-01T00:00:00Z"))
            await http.post(EVENTS, json=event("again"))
            await expiry.expire()
            assert len(await names(api)) == 41
            await asyncio.sleep(3)
            now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
            patch = {"count": 2, "lastTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
            headers = {"Content-Type": "application/merge-patch+json"}
            await http.patch(f"{EVENTS}/again", json=patch, headers=headers)
        await expiry.expire()
        assert await names(api) == ["again"]
        await asyncio.sleep(4)
        await expiry.expire()
        assert await names(api) == []


async def test_the_master_removes_events_after_its_setting() -> None:
    async with master_running(event_ttl_seconds=2) as master, master.api() as api:
        await api.create(EVENTS, event("brief"))
        assert "brief" in str(await api.get(EVENTS))
        for _ in range(60):
            await asyncio.sleep(0.1)
            if "brief" not in str(await api.get(EVENTS)):
                return
        raise AssertionError("the event stays")
