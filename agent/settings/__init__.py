"""The agent's settings: `agent` holds all of them, the kubelet's own stand in `kubelet`."""

from agent.settings.agent import (
    DEFAULT_CONFIG,
    DEFAULT_CONFIG_DIR,
    DEFAULT_DATA_DIR,
    DEFAULT_DOCKER,
    DEFAULT_HEALTH_PORT,
    AgentSettings,
    load,
)
from proto.daemon.settings import InvalidSettings

__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_CONFIG_DIR",
    "DEFAULT_DATA_DIR",
    "DEFAULT_DOCKER",
    "DEFAULT_HEALTH_PORT",
    "AgentSettings",
    "InvalidSettings",
    "load",
]
