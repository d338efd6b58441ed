"""Copies of parts of objects share nothing with what they were made of."""

from typing import Any

from master.api.kinds.rules.copies import copied


def test_a_copy_is_equal_and_the_callers_own() -> None:
    part: dict[str, Any] = {"a": [1, {"b": "ü"}], "c": None, "d": True, "e": 1.5}
    made = copied(part)
    assert made == part
    made["a"][1]["b"] = "changed"
    assert part["a"] == [1, {"b": "ü"}]
    assert [copied("x"), copied(1), copied(None), copied([])] == ["x", 1, None, []]
