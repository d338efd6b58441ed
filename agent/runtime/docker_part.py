"""What the parts of the Docker runtime share: the engine."""

from agent.runtime.engine import Engine


class DockerPart:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
