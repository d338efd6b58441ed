"""A file or directory of the host. https://kubernetes.io/docs/concepts/storage/volumes/#hostpath"""

import stat
from collections.abc import Callable
from pathlib import Path

from agent.volumes.protocol import MountFailed, Prepared, VolumeContext

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

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.hostPath
        assert asked is not None
        path, kind = Path(asked.path), asked.type or ""
        exists = path.exists()
        if kind == "DirectoryOrCreate":
            if not exists:
                _attempt("mkdir", path, lambda: path.mkdir(mode=0o755, parents=True, exist_ok=True))
            kind = "Directory"
        elif kind == "FileOrCreate":
            if not exists:
                _attempt("open", path, lambda: path.touch(mode=0o644))
            kind = "File"
        elif kind == "" and not exists:
            # As container runtimes do with a missing source.
            _attempt("mkdir", path, lambda: path.mkdir(parents=True, exist_ok=True))
        if kind:
            check = _CHECKS.get(kind)
            if check is None:
                raise MountFailed(f"{kind} is an invalid volume type")
            if not path.exists() or not check[0](path.stat().st_mode):
                raise MountFailed(f"hostPath type check failed: {path} is not {check[1]}")
        return Prepared(path, context.read_only)


def _attempt(verb: str, path: Path, make: Callable[[], None]) -> None:
    """Raises MountFailed in the words of Go's path errors."""
    try:
        make()
    except OSError as error:
        raise MountFailed(f"{verb} {path}: {(error.strerror or str(error)).lower()}") from error


PLUGIN = HostPathVolume()
