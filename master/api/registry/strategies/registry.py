"""Which strategy updates the object ("") and each subresource."""

from collections.abc import Mapping

from master.api.registry.strategies.approval import Approval
from master.api.registry.strategies.binding import Binding
from master.api.registry.strategies.ephemeral_containers import EphemeralContainers
from master.api.registry.strategies.finalize import Finalize
from master.api.registry.strategies.resize import Resize
from master.api.registry.strategies.scale import Scale
from master.api.registry.strategies.strategy import Strategy
from master.api.registry.strategies.whole import Status, Whole

STRATEGIES: Mapping[str, Strategy] = {
    "": Whole(),
    "status": Status(),
    "approval": Approval(),
    "scale": Scale(),
    "ephemeralcontainers": EphemeralContainers(),
    "resize": Resize(),
    "finalize": Finalize(),
    "binding": Binding(),
}
