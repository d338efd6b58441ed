"""Images for engines that reach no registry, made on the spot from Debian's static busybox.

The archives are in `docker save`'s format, byte for byte the same each time: every engine gives the image the same id.
"""

import functools
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

BUSYBOX_IMAGE = "wherry-test/busybox:1"
PAUSE_IMAGE = "wherry-test/pause:1"

_BUSYBOX = Path("/bin/busybox")


def _layer(files: dict[str, bytes], links: dict[str, str], folders: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, target, 0o755
            tar.addfile(entry)
    return buffer.getvalue()


def archive(image: str, layer: bytes, *, entrypoint: list[str] | None = None, command: list[str] | None = None) -> bytes:
    """An image of one layer (a tar) as `docker load` takes it."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Entrypoint": entrypoint, "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [image], "Layers": ["layer.tar"]}]).encode()
    return _layer({config_name: config, "layer.tar": layer, "manifest.json": manifest}, {}, ())


def busybox_layer(files: dict[str, bytes]) -> bytes:
    """A root file system of busybox with its applets, and further files."""
    applets = subprocess.run([str(_BUSYBOX), "--list"], check=True, capture_output=True, text=True).stdout.split()
    return _layer(
        {
            "bin/busybox": _BUSYBOX.read_bytes(),
            "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            "etc/group": b"root:x:0:\nnobody:x:65534:\n",
            **files,
        },
        {f"bin/{applet}": "bin/busybox" for applet in applets if applet != "busybox"},
        ("bin", "etc", "root", "tmp"),
    )


@functools.cache
def busybox_archive(image: str = BUSYBOX_IMAGE) -> bytes:
    """Busybox with its applets; runs `sh` by default. Give another `image` name for a second version of it."""
    layer = busybox_layer({})
    return archive(image, layer, command=["sh"])


@functools.cache
def pause_archive(image: str = PAUSE_IMAGE) -> bytes:
    """A sandbox image: a process that reaps its children and ends on SIGTERM."""
    layer = _layer({"bin/busybox": _BUSYBOX.read_bytes()}, {"bin/sh": "bin/busybox"}, ("bin",))
    script = "trap 'exit 0' TERM INT; while :; do busybox sleep 2147483647 & wait $!; done"
    return archive(image, layer, entrypoint=["/bin/sh", "-c", script])
