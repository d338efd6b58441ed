"""A directory of an NFS server. https://kubernetes.io/docs/concepts/storage/volumes/#nfs

Mounted by the host's own `mount` with its helper (Debian's nfs-common). A server that does not answer holds up its own pods
only: the program is ended after a while, and whether the volume is mounted is read from the kernel, not from the server.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from agent.volumes.mounts import is_listed
from agent.volumes.protocol import MountFailed, Prepared, VolumeContext

#: mount.nfs itself tries a server for two minutes.
_TIMEOUT = 125.0


def mount_command(*, server: str, path: str, target: str, options: Sequence[str], read_only: bool) -> list[str]:
    """As kubelet's mounter calls it. An IPv6 address stands in brackets."""
    host = f"[{server}]" if ":" in server and not server.startswith("[") else server
    wanted = [*(["ro"] if read_only else []), *options]
    return ["mount", "-t", "nfs", *(["-o", ",".join(wanted)] if wanted else []), f"{host}:{path}", target]


class NFSVolume:
    source = "nfs"
    live = False

    def set_up(self, context: VolumeContext) -> Prepared:
        asked, directory, persistent = context.volume.nfs, context.directory, context.persistent
        assert asked is not None
        read_only = context.read_only if persistent is not None else bool(asked.readOnly)
        if not is_listed(directory):
            directory.mkdir(parents=True, exist_ok=True)
            command = mount_command(
                server=asked.server,
                path=asked.path,
                target=str(directory),
                options=(persistent.mountOptions if persistent is not None else None) or (),
                read_only=read_only,
            )
            _mount(command, directory)
        return Prepared(directory, read_only=read_only, remote=True)


def _mount(command: list[str], directory: Path) -> None:
    """Raises MountFailed in the words of Kubernetes' mounter."""
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
        status, output = f"exit status {ended.returncode}", ended.stdout + ended.stderr
    except subprocess.TimeoutExpired:
        status, output = "signal: killed", f"no answer in {_TIMEOUT:g} seconds"
    except OSError as error:
        status, output = str(error), ""
    if is_listed(directory):
        return
    raise MountFailed(
        f"mount failed: {status}\nMounting command: mount\nMounting arguments: {' '.join(command[1:])}\nOutput: {output}"
    )


PLUGIN = NFSVolume()
