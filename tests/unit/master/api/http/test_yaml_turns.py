"""Long YAML bodies are read one at a time, and a user who sends many of them waits for himself."""

import asyncio

from master.api.auth.protocol import UserInfo
from master.api.http.bodies import YAML, decode_sent


def body(number: int) -> bytes:
    return f"kind: ConfigMap\nnumber: {number}\ndata:\n".encode() + b"".join(b"  k%d: v\n" % each for each in range(800))


async def test_another_users_body_is_read_before_the_rest_of_a_flood() -> None:
    order: list[str] = []

    async def read(name: str, number: int) -> None:
        decoded = await decode_sent(body(number), YAML, UserInfo(name))
        assert decoded.value["number"] == number
        assert len(decoded.value["data"]) == 800
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(read("flood", number))
        await asyncio.sleep(0)
        tasks.create_task(read("quiet", 100))
    assert len(order) == 9
    assert order.index("quiet") <= 2
