"""A file or directory of the host. https://kubernetes.io/docs/concepts/storage/volumes/#hostpath"""

import stat
from pathlib import Path

from agent.volumes.protocol import MountFailed, VolumeContext

_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class HostPathVolume:
    source = "hostPath"
    live = False

    def set_up(self, context: VolumeContext) -> Path:
        asked = context.volume.hostPath
        assert asked is not None
        path, kind = Path(asked.path), asked.type or ""
        try:
            if kind == "DirectoryOrCreate":
                path.mkdir(mode=0o755, parents=True, exist_ok=True)
                kind = "Directory"
            elif kind == "FileOrCreate":
                if not path.exists():
                    path.touch(mode=0o644)
                kind = "File"
            elif kind == "" and not path.exists():
                # As the engine does with a missing source.
                path.mkdir(parents=True)
            if kind:
                check = _CHECKS.get(kind)
                if check is None:
                    raise MountFailed(f"hostPath type check failed: unknown type {kind!r}")
                if not path.exists() or not check[0](path.stat().st_mode):
                    raise MountFailed(f"hostPath type check failed: {path} is not {check[1]}")
        except OSError as error:
            raise MountFailed(f"hostPath {path}: {error.strerror}") from error
        return path


PLUGIN = HostPathVolume()
