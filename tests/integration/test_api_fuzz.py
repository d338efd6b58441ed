"""Whatever comes in is answered in Kubernetes' words: no 5xx, no traceback, no half write, nothing stored that cannot be read.

`--fuzz-cases N` sends more (10,000 by default).
"""

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lightkube.core.exceptions import LoadResourceError
from lightkube.core.resource_registry import resource_registry
from yarl import URL

from master.api.kinds.kind import Kind
from master.api.kinds.registry import KINDS
from master.api.registry.registry import Registry
from master.client.kinds import decode
from tests.integration.api_fuzz import Case, Requests, collection, name_of
from tests.integration.api_objects import example
from tests.integration.api_world import api_world

T = TypeVar("T")
Json = dict[str, Any]
#: Requests that hypothesis draws at once.
_BATCH = 20
#: Kinds that are another one's view: nothing in process reads them.
_VIEWS = {(kind.api_version, kind.kind) for kind in KINDS if kind.stored_as is not None}
#: What a server without nodes, or asked for a revision that does not come, may truthfully say.
_UNAVAILABLE = {(503, "ServiceUnavailable"), (504, "Timeout")}


@dataclass(frozen=True, slots=True)
class Served:
    """An API in a thread of its own: hypothesis is synchronous."""

    loop: asyncio.AbstractEventLoop
    http: aiohttp.ClientSession
    registry: Registry
    url: str

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        running: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return running.result(120)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    ready: Future[Served] = Future()
    done = asyncio.Event()

    async def serve() -> None:
        try:
            async with api_world(tmp_path) as world, world.http(world.admin()) as http:
                ready.set_result(Served(asyncio.get_running_loop(), http, world.registry, world.url))
                await done.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fuzzed API")
    thread.start()
    running = ready.result(30)
    yield running
    running.loop.call_soon_threadsafe(done.set)
    thread.join(30)


@pytest.mark.timeout(600)
def test_nothing_that_comes_in_breaks_the_api(
    served: Served, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    cases: int = request.config.getoption("--fuzz-cases")
    requests = Requests(list(KINDS), served.registry.schemas)
    codes: dict[int, int] = {}

    @settings(
        max_examples=max(1, cases // _BATCH),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # the server remembers what came before: a case alone may not fail
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(requests.any(), min_size=_BATCH, max_size=_BATCH))
    def sent(batch: list[Case]) -> None:
        for case in batch:
            caplog.clear()
            code = served.do(_send(served, case))
            logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
            assert not logged, (logged, case)
            codes[code] = codes.get(code, 0) + 1

    sent()
    assert sum(codes.values()) >= cases - _BATCH, codes
    # The test is worth something only while it reaches everything: what is stored, refused and not found.
    assert all(codes.get(code, 0) > cases // 500 for code in (200, 201, 400, 404, 405, 409, 415, 422)), codes


async def _send(served: Served, case: Case) -> int:
    before = await _read(served, case.target) if case.target else b""
    url = URL(served.url + case.path, encoded=True)
    async with served.http.request(case.method, url, headers=case.headers, data=case.body, allow_redirects=False) as answer:
        code, raw = answer.status, await answer.read()
    assert code < 500 or _is_unavailable(code, raw), (case, code, raw)
    assert b"Traceback" not in raw, (case, raw)
    if code >= 400 and case.method != "HEAD":
        status = json.loads(raw)
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code), (case, status)
        assert status["message"], (case, status)
        assert status["reason"], (case, status)
    if case.target:
        after = await _read(served, case.target)
        assert code < 400 or after == before, (case, code, before, after)
        if code < 300 and after:
            _check_readable(case, after)
    return code


def _is_unavailable(code: int, raw: bytes) -> bool:
    return (code, json.loads(raw).get("reason")) in _UNAVAILABLE


async def _read(served: Served, path: str) -> bytes:
    """An object as it is stored, or nothing."""
    async with served.http.get(URL(served.url + path, encoded=True)) as answer:
        assert answer.status in (200, 404), (path, await answer.text())
        return await answer.read() if answer.status == 200 else b""


def _check_readable(case: Case, raw: bytes) -> None:
    """Controllers, scheduler and fleet decode what is stored into typed objects."""
    obj: Json = json.loads(raw)
    if (obj["apiVersion"], obj["kind"]) in _VIEWS:
        return
    try:
        kind = resource_registry.load(obj["apiVersion"], obj["kind"])
    except LoadResourceError:
        return
    try:
        decode(kind, raw)
    except ValueError as error:
        raise AssertionError(f"{case}: what is stored cannot be read: {error}: {raw!r}") from error


def test_every_kind_has_an_example_that_is_accepted(served: Served) -> None:
    async def create(kind: Kind) -> tuple[int, str]:
        obj = {**(example(kind) or {}), "metadata": {"name": name_of(kind)}}
        async with served.http.post(f"{collection(kind)}?dryRun=All", json=obj) as answer:
            return answer.status, await answer.text()

    for kind in KINDS:
        if "create" in kind.verbs:
            assert example(kind) is not None, f"api_objects.yaml has no {kind.api_version} {kind.kind}"
            code, text = served.do(create(kind))
            assert code == 201, text
