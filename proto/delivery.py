"""What an MQTT session hands on: one message, without MQTT."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """`retained`: the broker kept it and sends it because we subscribed; else its publisher sent it just now."""

    topic: str
    payload: bytes
    retained: bool = False
