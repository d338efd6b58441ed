"""`wherry-agent reset` on a host with an engine: what carries the mark goes, everything else stays."""

import base64
import os
import sys
from pathlib import Path

import pytest
import yaml

from agent.kubelet.images.pulled import PulledImages
from proto import sealing
from tests.hosts import BUSYBOX_IMAGE, Switch

pytestmark = [pytest.mark.root, pytest.mark.docker]

_CHECKOUT = Path(__file__).resolve().parents[2]


async def test_reset_removes_what_is_marked_and_nothing_else_and_can_be_run_twice(switch: Switch) -> None:
    (host,) = await switch.add_hosts("one", docker=True)
    await host.docker("network", "create", "--label", "io.wherry.kind=network", "wherry")
    await host.docker("network", "create", "other")
    marked = ("--label", "io.wherry.kind=container", "--label", "io.wherry.pod.uid=u1", "--network", "wherry")
    await host.docker("run", "-d", "--name", "ours", *marked, BUSYBOX_IMAGE, "/bin/sleep", "1000")
    await host.docker("run", "-d", "--name", "theirs", "--network", "other", BUSYBOX_IMAGE, "/bin/sleep", "1000")
    await host.run("nft", "add", "table", "ip", "theirs")
    config, data = host.folder / "etc" / "config.yaml", host.folder / "data-of-agent"
    for folder in (config.parent, data / "checkpoint", data / "kubelet" / "pods" / "u1" / "volume"):
        folder.mkdir(parents=True)
    pod = data / "kubelet" / "pods" / "u1"
    await host.run("mount", "-t", "tmpfs", "tmpfs", str(pod / "volume"))
    # A subPath is bound, from a folder that belongs to somebody else too.
    outside, bound = host.folder / "outside", pod / "volume-subpaths" / "v" / "c" / "0"
    for folder in (outside, bound):
        folder.mkdir(parents=True)
    (outside / "precious").write_text("stays")
    await host.run("mount", "--bind", str(outside), str(bound))
    # Images: the sandbox's, one that wherry pulled, one that it pulled and somebody else uses, one of somebody else's.
    images = ("wherry/pause:1", "registry.example/ours:1", "registry.example/used:1", "registry.example/theirs:1")
    for number, image in enumerate(images):
        await host.docker("import", "--change", f"LABEL n={number}", "/dev/null", image)
    ids = [(await host.docker("image", "inspect", "-f", "{{.Id}}", image)).stdout.strip() for image in images]
    pulled = PulledImages(data / "kubelet" / "image_manager" / "pulled")
    for id_, image in zip(ids[1:3], images[1:3], strict=True):
        await pulled.add(id_, image)
    await host.docker("create", "--name", "theirs-too", images[2], "/x")
    (data / "somebody-elses").write_text("stays")
    (config.parent / "sealing.key").write_bytes(base64.b64encode(sealing.generate_key()))
    settings = {
        "node_name": "one",
        "cluster": "c",
        "broker": {"host": "198.18.0.200"},
        "docker": host.docker_url,
        "data_dir": str(data),
    }
    config.write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    command = (sys.executable, "-m", "agent", "reset", "--config", str(config))
    kept = await host.run(*command, "--keep-settings", env=environment)
    assert "removed 1 containers" in kept.stdout
    assert config.exists()
    await host.run(*command, env=environment)
    names = (await host.docker("ps", "-a", "--format", "{{.Names}}")).stdout.split()
    networks = (await host.docker("network", "ls", "--format", "{{.Name}}")).stdout.split()
    assert sorted(names) == ["theirs", "theirs-too"]
    left = (await host.docker("images", "--format", "{{.Repository}}:{{.Tag}}")).stdout.split()
    assert {image for image in images if image in left} == set(images[2:])
    assert (outside / "precious").read_text() == "stays"
    assert str(data) not in (await host.run("cat", "/proc/self/mountinfo")).stdout
    assert "wherry" not in networks
    assert "other" in networks
    assert "theirs" in (await host.run("nft", "list", "tables")).stdout
    assert not config.parent.exists()
    assert [path.name for path in data.iterdir()] == ["somebody-elses"]
