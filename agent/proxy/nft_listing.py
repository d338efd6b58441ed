"""What the kernel really has in our table, read back from `nft -j list table`: to find what something else changed. Pure."""

from collections import Counter
from typing import Any

import msgspec

from agent.proxy.nft_ruleset import ElementKey


class Listing(msgspec.Struct, frozen=True):
    """A table as listed: how many rules each chain has, and the elements of its maps and sets."""

    chains: dict[str, int]
    elements: dict[ElementKey, str]


def parse(output: bytes) -> Listing:
    """Read nft's JSON. Raises ValueError when it is none."""
    try:
        objects = msgspec.json.decode(output, type=dict[str, list[dict[str, Any]]])["nftables"]
    except (msgspec.DecodeError, KeyError) as error:
        raise ValueError("nft's listing is not what its JSON schema says") from error
    chains: Counter[str] = Counter()
    elements: dict[ElementKey, str] = {}
    for item in objects:
        for kind, body in item.items():
            if kind == "chain":
                chains[body["name"]] += 0
            elif kind == "rule":
                chains[body["chain"]] += 1
            elif kind in ("map", "set"):
                for element in body.get("elem", ()):
                    key, value = element if kind == "map" else (element, None)
                    elements[body["name"], _text(key)] = _value(value)
    return Listing(dict(chains), elements)


def _text(part: Any) -> str:
    if isinstance(part, dict):
        if "concat" in part:
            return " . ".join(_text(piece) for piece in part["concat"])
        if "elem" in part:
            return _text(part["elem"]["val"])
    return str(part)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict) and "goto" in value:
        return f"goto {value['goto']['target']}"
    if isinstance(value, dict) and "drop" in value:
        return "drop"
    return _text(value)
