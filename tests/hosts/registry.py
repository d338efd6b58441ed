"""A real image registry (Debian's docker-registry) for tests of pulls, and images pushed to it by its own API.

    async with Registry(folder, address="127.0.0.1", port=5000) as registry:
        digest = await registry.push("app", "1")        # an image like no other
        registry.image("app", "1")                      # "127.0.0.1:5000/app:1"

`password`: only USER with PASSWORD is let in. `tls`: certificate and key files; the caller decides who signed them. `prefix`:
a command that runs the registry and its pushes elsewhere (Host.nsenter).
"""

import asyncio
import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.hosts.command import run
from tests.hosts.images import busybox_layer

USER, PASSWORD = "puller", "s3cret-of-the-registry"
#: USER with PASSWORD in bcrypt, which is all that the registry reads.
_HTPASSWD = "puller:$2b$05$abcdefghijklmnopqrstuuW1e3orFpi1hSyUIjjQsvB7886Cb.S5."

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry:
    """An async context manager; `stop` and `start` make it go away and come back with what it holds."""

    def __init__(
        self,
        folder: Path,
        *,
        address: str,
        port: int,
        password: bool = False,
        tls: tuple[Path, Path] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.host = f"{address}:{port}"
        self._password = password
        self._tls = tls
        self._prefix = tuple(prefix)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Registry":
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "htpasswd").write_text(_HTPASSWD + "\n")
        http: dict[str, object] = {"addr": self.host, "secret": "of this test"}
        if self._tls is not None:
            http["tls"] = {"certificate": str(self._tls[0]), "key": str(self._tls[1])}
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if self._password:
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        (self.folder / "config.yml").write_text(json.dumps(config))
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def image(self, repository: str, tag: str = "", digest: str = "") -> str:
        return f"{self.host}/{repository}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix, "docker-registry", "serve", str(self.folder / "config.yml"), stdout=log, stderr=log
            )
        async with asyncio.timeout(20):
            while (await self._request("GET", "/v2/"))[0] != 200:
                assert self._process.returncode is None, (self.folder / "log").read_text()
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def push(self, repository: str, tag: str, *, mark: str = "") -> str:
        """Push busybox with a layer of its own; the digest of its manifest. `mark` makes another image of it."""
        layer = busybox_layer({"etc/mark": f"{repository}:{tag} {mark}\n".encode()})
        packed = gzip.compress(layer, 1, mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            }
        ).encode()
        for blob in (packed, config):
            await self._upload(repository, blob)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
                "layers": [{"mediaType": _LAYER, "size": len(packed), "digest": _digest(packed)}],
            }
        ).encode()
        status, answer = await self._request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, _MANIFEST)
        assert status == 201, answer
        return _digest(manifest)

    async def _upload(self, repository: str, blob: bytes) -> None:
        status, location = await self._request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, location
        path = "/v2/" + location.partition("/v2/")[2]
        status, answer = await self._request("PUT", f"{path}&digest={_digest(blob)}", blob, "application/octet-stream")
        assert status == 201, answer

    async def _request(self, method: str, path: str, body: bytes = b"", type_: str = "") -> tuple[int, str]:
        """Status and Location. In a process of its own, for it may have to run in another network namespace."""
        url = f"{'https' if self._tls is not None else 'http'}://{self.host}{path}"
        user = f"{USER}:{PASSWORD}" if self._password else ""
        done = await run(*self._prefix, sys.executable, "-m", __spec__.name, method, url, user, type_, stdin=body, check=False)
        status, _, location = done.stdout.partition(" ")
        return (int(status) if status.isdigit() else 0), location.strip()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _main(method: str, url: str, user: str, type_: str) -> None:
    import base64
    import ssl
    import urllib.error
    import urllib.request

    headers = {"Content-Type": type_} if type_ else {}
    if user:
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    request = urllib.request.Request(url, data=sys.stdin.buffer.read(), headers=headers, method=method)
    try:
        # The tests' own registry: what it shows is of no interest here.
        with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
            print(answer.status, answer.headers.get("Location", ""))
    except urllib.error.HTTPError as error:
        print(error.code)


if __name__ == "__main__":
    _main(*sys.argv[1:])
