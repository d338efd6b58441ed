"""The broker's process: started by `run`, restarted with back-off when it dies, stopped with the master.

    prepare files → replace a left-over → check the port → start → take in its log → wait for its end ─┐
                         ▲                                                                              │
                         └───────────────────── back-off, doubling to a limit ◄─────────────────────────┘

A broker that a killed master left behind is known by the pid file and by our configuration file in its command line; it is
stopped and replaced, because its configuration may be an older one and its log went to the dead master.
"""

import asyncio
import contextlib
import errno
import logging
import os
import pwd
import shutil
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from master.broker.config import BrokerFiles, is_expected_warning, render_acl, render_config
from master.pki import files as pki_files
from master.pki.cluster import BROKER_USER, ClusterPki
from master.pki.names import broker_local
from master.settings import BrokerSettings
from proto.topics import Topics

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 10.0
#: A broker that lived this long had started well: the next restart is quick again.
_HEALTHY_SECONDS = 10.0
_STOP_SECONDS = 5.0
_LOG_LINE_BYTES = 4096
_SYSTEM_USER = "mosquitto"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")


class BrokerError(Exception):
    """The broker cannot run at all; the message names what to change."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whom a broker that starts as root becomes. `uid` None: the files stay ours."""

    name: str
    uid: int | None
    gid: int | None


class Broker:
    """Runs and supervises mosquitto in `folder`."""

    def __init__(self, folder: Path, settings: BrokerSettings, pki: ClusterPki, topics: Topics) -> None:
        self._files = BrokerFiles(folder)
        self._settings = settings
        self._pki = pki
        self._topics = topics
        self._process: asyncio.subprocess.Process | None = None
        self._listening = asyncio.Event()
        self.restarts = 0

    @property
    def ready(self) -> bool:
        return self._listening.is_set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def wait_ready(self) -> None:
        await self._listening.wait()

    async def run(self) -> None:
        """Keep the broker running until cancelled. Raises BrokerError when its first start cannot succeed."""
        program = _find_program(self._settings.program)
        self._prepare_files()
        await self._replace_leftover()
        self._check_port()
        backoff = _FIRST_BACKOFF_SECONDS
        clock = asyncio.get_running_loop()
        while True:
            started = clock.time()
            was_ready = False
            try:
                was_ready = await self._run_once(program)
            finally:
                self._listening.clear()
            if not was_ready and self.restarts == 0:
                raise BrokerError(f"mosquitto ended before it listened on port {self._settings.port}: see its log lines above")
            if clock.time() - started > _HEALTHY_SECONDS:
                backoff = _FIRST_BACKOFF_SECONDS
            self.restarts += 1
            log.warning("the broker ended; starting it again", extra={"after_seconds": backoff, "restarts": self.restarts})
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _MAX_BACKOFF_SECONDS)
            self._prepare_files()

    async def _run_once(self, program: str) -> bool:
        """One life of the process; whether it ever listened."""
        process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(self._files.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=_LOG_LINE_BYTES,
            start_new_session=True,  # a terminal's Ctrl-C is for the master, which then stops the broker in order
        )
        self._process = process
        try:
            pki_files.write(self._files.pid, f"{process.pid}\n".encode(), mode=pki_files.PUBLIC_MODE)
            async with asyncio.TaskGroup() as group:
                assert process.stderr is not None
                group.create_task(self._take_log(process.stderr))
                waiting = group.create_task(self._wait_until_listening())
                code = await process.wait()
                waiting.cancel()
            log.info("the broker's process ended", extra={"code": code})
            return self._listening.is_set()
        finally:
            await _stop(process)
            self._process = None
            self._files.pid.unlink(missing_ok=True)

    async def _take_log(self, stream: asyncio.StreamReader) -> None:
        """mosquitto's lines into our log. Ends with the process."""
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a line beyond the limit: its pieces are dropped
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if not is_expected_warning(text, self._topics):
                log.info("mosquitto: %s", text)

    async def _wait_until_listening(self) -> None:
        """A whole TLS handshake, so that the broker sees a client leave in order."""
        host = broker_local(self._settings)
        context = ssl.create_default_context(cafile=str(self._pki.ca_path))
        context.check_hostname = False  # it is our own child at our own port, under whatever address it was given
        context.load_cert_chain(self._pki.broker_client.certificate, self._pki.broker_client.key)
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, self._settings.port, ssl=context)
                writer.close()
                self._listening.set()
                log.info("the broker listens", extra={"port": self._settings.port, "pid": self.pid})
                return
            await asyncio.sleep(0.02)

    def _prepare_files(self) -> None:
        """Write configuration, ACL and key copies, readable by whom the broker becomes. Raises BrokerError."""
        files = self._files
        try:
            files.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = _owner(files.folder)
            text = render_config(files, port=self._settings.port, address=self._settings.address, user=owner.name)
            pki_files.write(files.config, text.encode())
            pki_files.write(files.acl, render_acl(self._topics, BROKER_USER).encode())
            pki_files.write(files.ca, pki_files.read(self._pki.ca_path))
            pki_files.write(files.certificate, pki_files.read(self._pki.broker_server.certificate))
            pki_files.write(files.key, pki_files.read(self._pki.broker_server.key))
            if owner.uid is not None and owner.gid is not None:
                for path in (files.folder, files.data, *files.folder.iterdir(), *files.data.iterdir()):
                    os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
            files.folder.chmod(0o700)
        except OSError as error:
            raise BrokerError(f"cannot prepare the broker's folder {files.folder}: {error.strerror}") from error
        except pki_files.PkiError as error:
            raise BrokerError(str(error)) from error

    def _check_port(self) -> None:
        """Say that the port is taken before mosquitto says it less clearly."""
        family = socket.AF_INET6 if ":" in self._settings.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._settings.address, self._settings.port))
                probe.listen(1)
            except OSError as error:
                what = f"broker.port {self._settings.port}"
                if error.errno == errno.EADDRINUSE:
                    raise BrokerError(f"{what} is in use by another program: free it or set another port") from error
                raise BrokerError(f"cannot listen on {what}: {error.strerror}") from error

    async def _replace_leftover(self) -> None:
        pid = self._leftover()
        if pid is None:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if self._leftover() != pid:
                return  # it ended, and the number may be another's by now
            log.info("stopping the broker that an earlier master left", extra={"pid": pid})
            for signal_ in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal_)
                if await _ended(handle):
                    self._files.pid.unlink(missing_ok=True)
                    return
        finally:
            os.close(handle)
        raise BrokerError(f"the broker of an earlier master (process {pid}) does not end")

    def _leftover(self) -> int | None:
        """The pid of a running mosquitto that uses our configuration file."""
        try:
            pid = int(self._files.pid.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._files.config) in command else None


async def _ended(handle: int) -> bool:
    """Wait for the end of the process behind a pidfd; False when it takes too long."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
    return True


def _find_program(program: str) -> str:
    found = shutil.which(program, path=os.pathsep.join([*os.get_exec_path(), *_PLACES]))
    if found is None:
        raise BrokerError(
            f"{program} is not installed: install the package mosquitto, set broker.program, "
            "or set broker to an external one (mqtts://host:port)"
        )
    return found


def _owner(folder: Path) -> _Owner:
    """mosquitto gives up root before it reads its files. Where its user cannot reach them, it has to stay what we are."""
    if os.geteuid() != 0:
        return _Owner(pwd.getpwuid(os.geteuid()).pw_name, None, None)
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        log.warning("there is no user mosquitto: the broker runs as root")
        return _Owner("root", 0, 0)
    closed = [parent for parent in folder.parents if not _may_pass(parent, entry)]
    if closed:
        log.warning("the user mosquitto cannot reach the broker's folder: it runs as root", extra={"closed": closed[-1]})
        return _Owner("root", 0, 0)
    return _Owner(_SYSTEM_USER, entry.pw_uid, entry.pw_gid)


def _may_pass(folder: Path, user: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
