"""Podman's Docker-compatible service for tests, with storage, networks and settings of its own; gone with them afterwards.

Nothing of the host's own Podman is used or changed. Limits on open files are set to what any host may give: by default Podman
asks for a million, which an engine without CAP_SYS_RESOURCE may not set.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
[network]
network_config_dir = "{folder}/networks"
"""


@contextmanager
def podman_service(*, insecure_registries: Sequence[str] = ()) -> Iterator[str]:
    """The URL of its socket. insecure_registries: those that may be asked without TLS. Blocking."""
    # Podman takes no more than 50 characters for its run root: pytest's folders may be longer.
    folder = Path(tempfile.mkdtemp(prefix="whpodman"))
    (folder / "networks").mkdir()
    (folder / "containers.conf").write_text(_SETTINGS.format(folder=folder))
    registries = (f'[[registry]]\nlocation = "{host}"\ninsecure = true\n' for host in insecure_registries)
    (folder / "registries.conf").write_text("".join(registries))
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
    }
    podman = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp"]
    socket = folder / "podman.sock"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [*podman, "system", "service", "--time=0", f"unix://{socket}"], env=environment, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 30
        while not socket.exists():
            assert service.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        subprocess.run([*podman, "rm", "-af", "-t", "0"], env=environment, capture_output=True, check=False, timeout=60)
        service.terminate()
        service.wait(20)
        for mount in reversed(_mounts_below(folder)):
            subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
