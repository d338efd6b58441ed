"""A master of the benchmark's own on loopback: real settings, real store, real broker, a folder that is removed afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from ssl import create_default_context
from types import TracebackType

import yaml

from tests.ports import free_port


class LocalMaster:
    """A context manager: the master runs, its API answers."""

    def __enter__(self) -> "LocalMaster":
        self.folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
        os.chmod(self.folder, 0o755)
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self._port = free_port()
        settings = {
            "data_dir": str(self.folder / "master"),
            "kubeconfig": str(self.kubeconfig),
            "advertise_address": "127.0.0.1",
            "listen": {"address": "127.0.0.1", "port": self._port},
            "broker": {"address": "127.0.0.1", "port": free_port()},
        }
        self._config = self.folder / "config.yaml"
        self._config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "master", "init", "--config", str(self._config)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self._log = (self.folder / "log").open("wb")
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def start(self) -> float:
        """Start the process; the seconds until it is ready."""
        began = time.monotonic()
        command = [sys.executable, "-m", "master", "run", "--config", str(self._config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._wait_until_ready(f"https://127.0.0.1:{self._port}/readyz")
        return time.monotonic() - began

    def stop(self) -> None:
        """End the process; its folder stays."""
        self._process.terminate()
        self._process.wait(30)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        self._log.close()
        if error is not None:
            error.add_note((self.folder / "log").read_text(errors="replace")[-4000:])
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self, url: str) -> None:
        context = create_default_context(cafile=str(self.folder / "master" / "pki" / "ca.crt"))
        for _ in range(1200):
            try:
                with urllib.request.urlopen(url, context=context, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.025)
        raise TimeoutError("the master does not become ready")
