"""Commands in containers, and their own streams, over a stream. Channels: 0 to 2 standard streams, 3 status, 4 sizes.

The first frame is empty and comes as soon as the command has begun: until then the master can still refuse
the client's request instead of failing its connection.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from agent.kubelet.pod.grace import race, single_failure
from agent.kubelet.streams.refused import StreamRefused
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Streams, Terminal
from agent.runtime.spec import ContainerState
from proto.stream import Stream

_STDIN, _STDOUT, _STATUS, _RESIZE = 0, 1, 3, 4

Resize = Callable[[int, int], Awaitable[None]]


class _Size(msgspec.Struct):
    """As kubectl sends it."""

    Width: int
    Height: int


async def run_command(runtime: Streams, state: ContainerState, options: Mapping[str, Any], stream: Stream) -> None:
    """Run `command`; at the end one metav1.Status tells how it ended."""
    command = options.get("command")
    if not isinstance(command, list) or not command:
        raise StreamRefused("you must specify at least 1 command for the container", 400)
    tty = bool(options.get("tty"))
    running = await runtime.exec(state.id, [str(word) for word in command], stdin=bool(options.get("stdin")), tty=tty)

    async def resize(width: int, height: int) -> None:
        await running.resize(width=width, height=height)

    try:
        async with running:
            await stream.write(_STDOUT, b"")
            await _carry(running, options, stream, resize, ends=True)
            code = await running.exit_code() if not stream.closed else 0
    except RuntimeFailure as error:
        message = f"Internal error occurred: error executing command in container: {error}"
        await _status(stream, {"status": "Failure", "reason": "InternalError", "message": message, "code": 500})
        return
    if code == 0:
        await _status(stream, {"status": "Success"})
        return
    await _status(
        stream,
        {
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        },
    )


async def attach(runtime: Streams, state: ContainerState, options: Mapping[str, Any], stream: Stream) -> None:
    """Join the container's own streams until it ends."""

    async def resize(width: int, height: int) -> None:
        await runtime.resize(state.id, width=width, height=height)

    async with await runtime.attach(state.id, stdin=bool(options.get("stdin")), tty=state.tty) as terminal:
        await stream.write(_STDOUT, b"")
        # Without stdinOnce the container goes on reading from whoever comes next, and this client goes on listening.
        await _carry(terminal, options, stream, resize, ends=state.stdin_once and not state.tty)
    await _status(stream, {"status": "Success"})


async def _carry(terminal: Terminal, options: Mapping[str, Any], stream: Stream, resize: Resize, *, ends: bool) -> None:
    """Both directions, until the output ends or the other side leaves. `ends`: standard input ends with the client's."""

    async def out() -> None:
        async for channel, piece in terminal.output():
            # With a TTY all output is one stream.
            if options.get("stderr" if channel == 2 else "stdout", True):
                await stream.write(channel, piece)

    async def back() -> None:
        async for frame in stream.frames():
            if frame.channel == _STDIN:
                if frame.data:
                    await terminal.write(frame.data)
                if frame.eof and ends:
                    await terminal.close_stdin()
            elif frame.channel == _RESIZE and frame.data:
                size = _size(frame.data)
                if size is not None:
                    await resize(size.Width, size.Height)

    async with single_failure():
        await race(out(), back())


def _size(data: bytes) -> _Size | None:
    try:
        return msgspec.json.decode(data, type=_Size)
    except msgspec.DecodeError:
        return None


async def _status(stream: Stream, status: dict[str, Any]) -> None:
    if not stream.closed:
        await stream.write(_STATUS, msgspec.json.encode({"metadata": {}, **status}), eof=True)
