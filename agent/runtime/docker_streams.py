"""Logs, exec and attach on Docker, over its raw and hijacked HTTP streams. Part of DockerRuntime."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from agent.runtime.docker_part import DockerPart
from agent.runtime.engine import Connection, Engine
from agent.runtime.errors import NotFound, RuntimeUnavailable
from agent.runtime.log_lines import Once
from agent.runtime.processes import kill_tree
from agent.runtime.spec import LogOptions


class DockerStreams(DockerPart):
    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        tty = bool((await self._engine.quick(lambda client: client.inspect_container(container_id)))["Config"].get("Tty"))
        query: dict[str, str] = {"stdout": "1", "stderr": "1", "follow": str(int(options.follow))}
        query["timestamps"] = str(int(options.timestamps or (options.follow and not tty)))
        if options.tail is not None:
            query["tail"] = str(options.tail)
        if options.since is not None:
            query["since"] = f"{options.since:.9f}"
        connection = await self._engine.open("GET", f"/containers/{container_id}/logs?{urlencode(query)}")
        try:
            if tty:
                async for piece in connection.raw():
                    yield 1, piece
            elif options.follow:
                once = Once(timestamps=options.timestamps)
                async for channel, line in connection.frames():
                    if fresh := once.pass_on(channel, line):
                        yield channel, fresh
            else:
                async for channel, piece in connection.multiplexed():
                    yield channel, piece
        finally:
            connection.close()

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False, env: Mapping[str, str] = {}
    ) -> "DockerExec":
        asked = {"Cmd": list(command), "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
        if env:
            asked["Env"] = [f"{name}={value}" for name, value in env.items()]
        # Probes do this every second for every pod: on the loop it costs a tenth of docker-py's way.
        made = await self._engine.call("POST", f"/containers/{container_id}/exec", asked)
        return DockerExec(self._engine, str(made["Id"]), tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> "DockerTerminal":
        query = urlencode({"stream": 1, "stdin": int(stdin), "stdout": 1, "stderr": 1})
        return DockerTerminal(self._engine, f"/containers/{container_id}/attach?{query}", b"", tty=tty)

    async def resize(self, container_id: str, *, width: int, height: int) -> None:
        await self._engine.quick(lambda client: client.resize(container_id, height=height, width=width))


class DockerTerminal:
    """A hijacked connection: after the answer's head both directions are the process's own streams."""

    def __init__(self, engine: Engine, path: str, body: bytes, *, tty: bool) -> None:
        self._engine = engine
        self._path = path
        self._body = body
        self._tty = tty
        self._connection: Connection | None = None

    async def __aenter__(self) -> "DockerTerminal":
        self._connection = await self._engine.open("POST", self._path, body=self._body, upgrade=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        assert self._connection is not None
        if self._tty:
            async for piece in self._connection.raw():
                yield 1, piece
        else:
            async for channel, piece in self._connection.multiplexed():
                yield channel, piece

    async def write(self, data: bytes) -> None:
        assert self._connection is not None
        try:
            self._connection.writer.write(data)
            await self._connection.writer.drain()
        except OSError as error:
            raise RuntimeUnavailable(f"the process no longer reads: {error}") from error

    async def close_stdin(self) -> None:
        assert self._connection is not None
        writer = self._connection.writer
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


class DockerExec(DockerTerminal):
    def __init__(self, engine: Engine, exec_id: str, *, tty: bool) -> None:
        body = msgspec.json.encode({"Detach": False, "Tty": tty})
        super().__init__(engine, f"/exec/{exec_id}/start", body, tty=tty)
        self._id = exec_id

    async def __aenter__(self) -> "DockerExec":
        await super().__aenter__()
        return self

    async def resize(self, *, width: int, height: int) -> None:
        try:
            await self._engine.quick(lambda client: client.exec_resize(self._id, height=height, width=width))
        except NotFound:
            return

    async def exit_code(self) -> int:
        # The streams may end a moment before the engine has noted the exit.
        for delay in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0):
            await asyncio.sleep(delay)
            state = await self._engine.call("GET", f"/exec/{self._id}/json")
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
        raise RuntimeUnavailable("the engine does not tell how the command ended")

    async def kill(self) -> None:
        try:
            state = await self._engine.call("GET", f"/exec/{self._id}/json")
        except NotFound:
            return
        if state["Running"] and state["Pid"]:
            await asyncio.to_thread(kill_tree, int(state["Pid"]), inside=str(state["ContainerID"]))
