"""What the host says of itself, from /proc and /etc. Blocking but instant; read by `agent.kubelet.node.describer`."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from proto.k8s.quantity import binary_text

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes. architecture in Go's words."""

    cpus: int
    memory: int
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str


def machine() -> Machine:
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=meminfo().get("MemTotal", 0),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id") or _text("/var/lib/dbus/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def meminfo() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = {}
    for line in _text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdigit():
            found[name] = int(number[0]) * 1024
    return found


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, in bytes and inodes. inodes: 0 where it does not count them."""

    size: int
    available: int
    inodes: int = 0
    inodes_free: int = 0


def disk(path: Path) -> Disk:
    while not path.exists() and path != path.parent:
        path = path.parent
    status = os.statvfs(path)
    return Disk(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, status.f_files, status.f_favail)


def huge_pages() -> dict[str, int]:
    """Bytes that are set aside, by Kubernetes' name of the resource; a size without pages counts too."""
    found = {}
    try:
        sizes = sorted(Path("/sys/kernel/mm/hugepages").iterdir())
    except OSError:
        return {}
    for path in sizes:
        kilobytes = path.name.removeprefix("hugepages-").removesuffix("kB")
        pages = _text(str(path / "nr_hugepages"))
        if kilobytes.isdigit() and pages.isdigit():
            size = int(kilobytes) * 1024
            found[f"hugepages-{binary_text(size)}"] = size * int(pages)
    return found


def pid_max() -> int:
    """How many processes the kernel has numbers for; 0: not known."""
    text = _text("/proc/sys/kernel/pid_max")
    return int(text) if text.isdigit() else 0


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
