"""Eviction thresholds as KubeletConfiguration writes them ("100Mi", "10%"), parsed. Pure; for the settings and the kubelet.

https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from proto.k8s import quantity

#: The signals that thresholds may be set for, in the order in which they are told.
SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)
#: Kubernetes' own (KubeletConfiguration's evictionHard on Linux).
DEFAULT_HARD = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


@dataclass(frozen=True, slots=True)
class Amount:
    """So many bytes or pieces, or this share (0 to 1) of a capacity."""

    pieces: int = 0
    share: Decimal | None = None

    def of(self, capacity: int) -> int:
        return int(self.share * capacity) if self.share is not None else self.pieces


@dataclass(frozen=True, slots=True)
class Threshold:
    """Met when less than `amount` of the signal's resource is available. `grace` in seconds: 0 for a hard one.

    `reclaim`: so much more must be available before it counts as resolved.
    """

    signal: str
    amount: Amount
    grace: float = 0.0
    reclaim: Amount = Amount()

    @property
    def hard(self) -> bool:
        return self.grace == 0


def parse_amount(text: str) -> Amount:
    """Raises ValueError."""
    if text.endswith("%"):
        try:
            share = Decimal(text[:-1]) / 100
        except ArithmeticError:
            raise ValueError(f"{text!r} is not a percentage") from None
        if not 0 <= share <= 1:
            raise ValueError(f"percentage {text} must be between 0% and 100%")
        return Amount(share=share)
    pieces = quantity.units(text)
    if pieces < 0:
        raise ValueError(f"{text} must not be negative")
    return Amount(pieces)


def thresholds(
    hard: Mapping[str, str], soft: Mapping[str, str], grace: Mapping[str, float], reclaim: Mapping[str, str]
) -> tuple[Threshold, ...]:
    """All that can be met; 0% and 100% switch a threshold off. Raises ValueError with the setting's name."""
    for setting, given in (
        ("eviction_hard", hard),
        ("eviction_soft", soft),
        ("eviction_soft_grace_period", grace),
        ("eviction_minimum_reclaim", reclaim),
    ):
        for signal in given:
            if signal not in SIGNALS:
                raise ValueError(f"{setting}: unsupported eviction signal {signal}; there are {', '.join(SIGNALS)}")
    reclaims = {signal: _amount("eviction_minimum_reclaim", signal, text) for signal, text in reclaim.items()}
    found = []
    for setting, given in (("eviction_hard", hard), ("eviction_soft", soft)):
        for signal, text in given.items():
            amount = _amount(setting, signal, text)
            if amount.share in (0, 1):
                continue
            if amount.share is None and amount.pieces == 0:
                raise ValueError(f"{setting}: eviction threshold {signal} must be positive: {text}")
            seconds = 0.0
            if setting == "eviction_soft":
                if signal not in grace:
                    raise ValueError(
                        f"eviction_soft: grace period must be specified for the soft eviction threshold {signal} "
                        "(eviction_soft_grace_period)"
                    )
                seconds = grace[signal]
                if seconds <= 0:
                    raise ValueError(f"eviction_soft_grace_period: {signal}: {seconds} must be positive")
            found.append(Threshold(signal, amount, seconds, reclaims.get(signal, Amount())))
    return tuple(found)


def _amount(setting: str, signal: str, text: str) -> Amount:
    try:
        return parse_amount(text)
    except ValueError as error:
        raise ValueError(f"{setting}: {signal}: {error}") from None
