"""The command that mounts a directory of an NFS server."""

import pytest

from agent.volumes.nfs import mount_command


@pytest.mark.parametrize(
    ("server", "options", "read_only", "expected"),
    [
        ("nas", [], False, ["mount", "-t", "nfs", "nas:/export", "/t"]),
        ("nas", [], True, ["mount", "-t", "nfs", "-o", "ro", "nas:/export", "/t"]),
        ("nas", ["nfsvers=4.1", "hard"], True, ["mount", "-t", "nfs", "-o", "ro,nfsvers=4.1,hard", "nas:/export", "/t"]),
        ("fd00::1", [], False, ["mount", "-t", "nfs", "[fd00::1]:/export", "/t"]),
    ],
)
def test_the_command_is_kubelets(server: str, options: list[str], read_only: bool, expected: list[str]) -> None:
    assert mount_command(server=server, path="/export", target="/t", options=options, read_only=read_only) == expected
