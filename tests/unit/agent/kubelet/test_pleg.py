"""What the engine tells late still reaches the pod's view."""

import asyncio

from agent.kubelet.labels import POD_UID
from agent.kubelet.pleg import Pleg
from agent.runtime.fake import FakeRuntime
from agent.runtime.spec import SandboxSpec


async def test_a_container_whose_exit_overtakes_the_oom_event_is_seen_as_oom_killed() -> None:
    runtime = FakeRuntime(images=("image",))
    changed = asyncio.Event()
    pleg = Pleg(runtime=runtime, on_change=lambda _: changed.set(), relist_period=60.0, relisted=print)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pleg.run())
        await pleg.synced.wait()
        container = await runtime.create_sandbox(SandboxSpec(name="c", image="image", labels={POD_UID: "u"}, hostname=""))
        await runtime.start(container)
        runtime.run_out_of_memory(container)
        async with asyncio.timeout(5):
            while not any(state.oom_killed for state in pleg.observation("u").everything()):
                changed.clear()
                await changed.wait()
        (state,) = pleg.observation("u").everything()
        assert (state.phase, state.exit_code) == ("exited", 137)
        running.cancel()
