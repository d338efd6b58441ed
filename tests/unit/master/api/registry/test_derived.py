"""What is made of cached objects: kept until they change, bounded."""

import orjson

from master.api.registry.derived import Derived
from master.client.protocol import Json
from master.store.cached import CachedObject


def cached(name: str, revision: int, value: str = "x") -> CachedObject:
    raw = orjson.dumps({"metadata": {"name": name}, "value": value})
    return CachedObject(f"/registry/core/things/-/{name}", revision, raw, "", name, {})


class Made:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, obj: Json) -> str:
        self.calls += 1
        return str(obj["value"])


def test_an_object_is_looked_at_once_until_it_changes() -> None:
    derived, make = Derived(), Made()
    assert [derived.of(cached("a", 1), make) for _ in range(3)] == ["x"] * 3
    assert make.calls == 1
    assert derived.of(cached("a", 2, "y"), make) == "y"
    assert make.calls == 2


def test_each_function_has_its_own_result() -> None:
    derived = Derived()
    assert derived.of(cached("a", 1), Made()) == "x"
    assert derived.of(cached("a", 1), lambda obj: obj["metadata"]["name"]) == "a"


def test_the_oldest_is_forgotten() -> None:
    derived, make = Derived(most=2), Made()
    for name in ("a", "b", "c"):
        derived.of(cached(name, 1), make)
    assert make.calls == 3
    derived.of(cached("c", 1), make)
    assert make.calls == 3
    derived.of(cached("a", 1), make)
    assert make.calls == 4
