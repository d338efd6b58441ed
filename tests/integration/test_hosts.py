"""The hosts that other tests stand on: they are real, apart, and leave nothing behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.hosts import BUSYBOX_IMAGE, Host, Switch, remove_leftovers

pytestmark = [pytest.mark.root]

ROOT = Path(__file__).parents[2]


def remains(folder: Path, engine: int) -> list[str]:
    """What of a run with one engine is still there."""
    return [
        what
        for what, there in {
            "folder": folder.exists(),
            "engine": Path(f"/proc/{engine}").exists(),
            "namespaces": any(Path("/run/netns").glob(f"{folder.name}-*")),
            "control groups": any(Path("/sys/fs/cgroup").glob(f"*/{folder.name}-*")),
            "mounts": str(folder) in Path("/proc/self/mountinfo").read_text(),
        }.items()
        if there
    ]


async def reaches(host: Host, address: str) -> bool:
    return (await host.run("busybox", "ping", "-c1", "-W1", address, check=False)).returncode == 0


@pytest.mark.docker
async def test_two_hosts_reach_each_other_and_run_containers(docker_hosts: list[Host]) -> None:
    one, two = docker_hosts
    assert await reaches(one, two.address)
    assert await reaches(two, one.address)
    said = await one.docker("run", "--rm", BUSYBOX_IMAGE, "ip", "addr", "show", "eth0")
    assert "inet 172.17." in said.stdout
    assert (await one.docker("image", "inspect", "-f", "{{.Id}}", BUSYBOX_IMAGE)).stdout == (
        await two.docker("image", "inspect", "-f", "{{.Id}}", BUSYBOX_IMAGE)
    ).stdout
    # A running container must not keep the clean-up from finishing.
    await one.docker("run", "-d", "--restart=always", BUSYBOX_IMAGE, "sleep", "1000")


async def test_a_host_whose_link_is_down_is_cut_off_until_it_is_up_again(switch: Switch) -> None:
    one, two = await switch.add_hosts("one", "two")
    assert await reaches(one, two.address)
    await two.link_down()
    assert not await reaches(one, two.address)
    await two.link_up()
    assert await reaches(one, two.address)


async def test_a_socket_made_on_a_host_speaks_from_there(switch: Switch) -> None:
    one, two = await switch.add_hosts("one", "two")
    loop = asyncio.get_running_loop()
    with one.socket() as listening, two.socket() as calling:
        listening.bind((one.address, 0))
        listening.listen()
        await loop.sock_connect(calling, listening.getsockname())
        accepted, peer = await loop.sock_accept(listening)
        accepted.close()
    assert peer[0] == two.address


@pytest.mark.docker
async def test_the_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    script = tmp_path / "killed_run.py"
    script.write_text(
        "import asyncio\n"
        "from tests.hosts import BUSYBOX_IMAGE, Switch\n"
        "async def main() -> None:\n"
        "    async with Switch() as switch:\n"
        "        (host,) = await switch.add_hosts('one', docker=True)\n"
        "        await host.docker('run', '-d', '--restart=always', BUSYBOX_IMAGE, 'sleep', '1000')\n"
        "        print(switch.folder, flush=True)\n"
        "        await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    folder = Path((await process.stdout.readline()).decode().strip())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    engine = int((folder / "one" / "docker.pid").read_text())
    before = remains(folder, engine)

    removed = await asyncio.to_thread(remove_leftovers)

    assert len(before) == 5
    assert folder.name in removed
    assert remains(folder, engine) == []
