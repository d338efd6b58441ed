"""Scratch space that lives as long as its pod. https://kubernetes.io/docs/concepts/storage/volumes/#emptydir

medium Memory is a tmpfs of `sizeLimit`. On disk the limit is not enforced here: it belongs to eviction.
"""

import os
from pathlib import Path

from agent.volumes.mounts import is_mount, mount_tmpfs
from agent.volumes.protocol import MountFailed, VolumeContext
from proto.k8s.quantity import units


class EmptyDirVolume:
    source = "emptyDir"
    live = False

    def set_up(self, context: VolumeContext) -> Path:
        asked, directory = context.volume.emptyDir, context.directory
        medium = (asked.medium if asked is not None else None) or ""
        if medium not in ("", "Memory"):
            raise MountFailed(f"unknown storage medium {medium!r}")
        fresh = not directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        if medium == "Memory" and not is_mount(directory):
            limit = units(asked.sizeLimit) if asked is not None and asked.sizeLimit else 0
            try:
                mount_tmpfs(directory, size=limit)
            except OSError as error:
                raise MountFailed(f"mount of a tmpfs failed: {error.strerror}") from error
            fresh = True
        if fresh:
            if context.fs_group is not None:
                os.chown(directory, -1, context.fs_group)
            # setgid: what is made inside belongs to the group as well.
            directory.chmod(0o777 if context.fs_group is None else 0o2777)
        return directory


PLUGIN = EmptyDirVolume()
