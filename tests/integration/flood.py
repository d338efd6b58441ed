"""A process that asks an API server for small reviews on many connections, each again and again: a flood, or a quiet user.

    python flood.py PORT CERTIFICATE CONNECTIONS PAUSE_SECONDS

Says "ready" when every connection had an answer. Each line on stdin ends a window: it prints how many requests were answered
in it, and the median and the 99th percentile of their durations in seconds. What is refused with 429 does not count.
"""

import asyncio
import ssl
import sys
import time

BODY = b'{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}'
REQUEST = (
    b"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


class Load:
    def __init__(self, port: int, context: ssl.SSLContext, pause: float) -> None:
        self._port = port
        self._context = context
        self._pause = pause
        self.durations: list[float] = []
        self.ready = asyncio.Semaphore(0)

    async def keep_asking(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
        await _ask(reader, writer)
        self.ready.release()
        while True:
            began = time.monotonic()
            if await _ask(reader, writer):
                self.durations.append(time.monotonic() - began)
            await asyncio.sleep(self._pause)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 201")


async def main(port: int, certificate: str, connections: int, pause: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate)
    load = Load(port, context, pause)
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(load.keep_asking()) for _ in range(connections)]
        for _ in range(connections):
            await load.ready.acquire()
        load.durations.clear()
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            found = sorted(load.durations)
            load.durations.clear()
            print(len(found), found[len(found) // 2], found[len(found) * 99 // 100], flush=True)
        for task in asking:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
