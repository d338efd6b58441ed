"""The real kubectl, of every version that the machine has."""

import functools
import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.hosts import Completed, Host

Json = dict[str, Any]
_VERSIONED = re.compile(r"kubectl\.(1\.\d+)\Z")


@functools.cache
def kubectl_programs() -> dict[str, str]:
    """Program path by version: "default" is the one on the PATH, the others ("1.27", …) lie beside it if they do."""
    found = shutil.which("kubectl")
    assert found is not None, "kubectl is not on the PATH"
    programs = {"default": found}
    for path in sorted(Path(found).resolve().parent.glob("kubectl.1.*")):
        if match := _VERSIONED.match(path.name):
            programs[match[1]] = str(path)
    return programs


class Kubectl:
    """kubectl run on one host with one kubeconfig and a home of its own (its discovery cache lives there)."""

    def __init__(self, host: Host, kubeconfig: Path, version: str = "default") -> None:
        self.host = host
        self.kubeconfig = kubeconfig
        self.program = kubectl_programs()[version]
        self.home = host.folder / f"home-{version}"
        self.home.mkdir(exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "KUBECONFIG": str(self.kubeconfig),
        }

    async def __call__(
        self,
        *argv: str,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 60.0,
        env: dict[str, str] | None = None,
    ) -> str:
        """Run and return standard output. Raises CommandFailed, TimeoutError."""
        return (await self.run(*argv, stdin=stdin, check=check, timeout=timeout, env=env)).stdout

    async def run(
        self,
        *argv: str,
        stdin: str | None = None,
        check: bool = False,
        timeout: float = 60.0,
        env: dict[str, str] | None = None,
    ) -> Completed:
        return await self.host.run(
            self.program,
            *argv,
            stdin=stdin.encode() if stdin is not None else None,
            check=check,
            timeout=timeout,
            env={**self.environment, **(env or {})},
        )

    async def json(self, *argv: str) -> Json:
        value: Json = json.loads(await self(*argv, "-o", "json"))
        return value

    async def apply(self, manifest: str, *argv: str) -> str:
        return await self("apply", "-f", "-", *argv, stdin=manifest)
