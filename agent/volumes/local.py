"""A directory of this host behind a PersistentVolume. https://kubernetes.io/docs/concepts/storage/volumes/#local

Bind-mounted into the pod's folder, so that what happens to the path later does not change what the pod has. A path that is a
block device is not formatted and mounted (ADR 30).
"""

import os
from pathlib import Path

from agent.volumes.mounts import bind, is_mount
from agent.volumes.ownership import give_to_group
from agent.volumes.protocol import MountFailed, Prepared, VolumeContext

_NEW_MOUNTER = "MountVolume.NewMounter initialization failed"


class LocalVolume:
    source = "local"
    live = False

    def set_up(self, context: VolumeContext) -> Prepared:
        assert context.persistent is not None
        assert context.persistent.local is not None
        path, directory = Path(context.persistent.local.path), context.directory
        if not is_mount(directory):
            if ".." in path.parts:
                raise MountFailed(f"invalid path: {path} must not contain '..'")
            if not path.exists():
                raise MountFailed(f'path "{path}" does not exist', stage=_NEW_MOUNTER)
            if not path.is_dir():
                raise MountFailed(f"local volume path {path} is not a directory: this node mounts no block devices")
            # Before the mount, which tells that all is done.
            if context.fs_group is not None and not context.read_only:
                give_to_group(path, context.fs_group, policy=context.fs_group_change_policy)
            directory.mkdir(parents=True, exist_ok=True)
            # By what is open: the path may be swapped for another one meanwhile.
            opened = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                bind(f"/proc/self/fd/{opened}", directory, read_only=context.read_only)
            finally:
                os.close(opened)
        return Prepared(directory, read_only=context.read_only)


PLUGIN = LocalVolume()
