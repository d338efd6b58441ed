"""`wherry-master` as a process: start, stop, what it says when it cannot, tokens."""

import asyncio
import json
import resource
import socket
import sys
from pathlib import Path

import yaml

from master.host import host_networks
from tests.integration.master_cluster import MasterProcess, master_running


async def _command(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "master", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode or 0, out.decode()


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _with_settings(master: MasterProcess, name: str, **changes: object) -> str:
    path = master.folder / name
    path.write_text(yaml.safe_dump(yaml.safe_load(master.config.read_text()) | changes))
    return str(path)


async def test_tokens_are_created_listed_and_deleted() -> None:
    async with master_running() as master:
        config = ["--config", str(master.config)]
        code, line = await _command(
            "token", "create", *config, "--ttl", "1h", "--description", "for a test", "--print-join-command"
        )
        assert code == 0
        words = line.split()
        assert words[:4] == ["wherry-agent", "join", "--server", master.url]
        token = words[words.index("--token") + 1]
        assert words[words.index("--ca-hash") + 1] == master.ca_hash
        code, listed = await _command("token", "list", *config)
        assert token.partition(".")[0] in listed
        assert "for a test" in listed
        assert token.partition(".")[2] not in listed
        assert (await _command("token", "delete", *config, token))[0] == 0
        assert token.partition(".")[0] not in (await _command("token", "list", *config))[1]
        code, told = await _command("token", "delete", *config, token)
        assert code == 1
        assert "not found" in told


async def test_a_second_master_and_taken_ports_are_told_in_one_line() -> None:
    async with master_running() as master:
        code, told = await _command("run", "--config", str(master.config))
        assert code == 1
        assert "Traceback" not in told
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            assert await master.stop() == 0
            port = taken.getsockname()[1]
            listen = {"port": port, "address": "127.0.0.1"}
            code, told = await _command("run", "--config", _with_settings(master, "api.yaml", listen=listen))
            assert (code, f"127.0.0.1:{port}" in told, "in use" in told, "Traceback" in told) == (1, True, True, False)
            code, told = await _command("run", "--config", _with_settings(master, "broker.yaml", broker=listen))
            assert (code, f"broker.port {port} is in use" in told, "Traceback" in told) == (1, True, False)


async def test_an_overlap_with_the_hosts_networks_stops_the_start() -> None:
    async with master_running() as master:
        assert await master.stop() == 0
        found = await asyncio.to_thread(host_networks)  # pyroute2 runs a loop of its own
        present = next(one for one in found if one.network.version == 4 and one.network.prefixlen < 30)
        network = {"cluster_cidr": "10.201.0.0/16", "service_cidr": str(present.network)}
        code, told = await _command("run", "--config", _with_settings(master, "overlap.yaml", network=network))
        assert code == 1
        assert f"network.service_cidr {present.network} overlaps" in told
        assert present.interface in told


async def test_a_stop_leaves_no_broker_behind() -> None:
    async with master_running() as master:
        broker = master.broker_pid
        assert _runs(broker)
        assert await master.stop() == 0
        assert not _runs(broker)


async def test_the_audit_log_is_written_by_the_settings_policy_and_a_wrong_policy_stops_the_start() -> None:
    async with master_running() as master:
        assert await master.stop() == 0
        wrong = master.folder / "wrong.yaml"
        wrong.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]\n")
        code, told = await _command("run", "--config", _with_settings(master, "audit.yaml", audit={"policy_file": str(wrong)}))
        assert (code, "Traceback" in told) == (1, False)
        assert f'audit policy {wrong}: rules[0].level: Unsupported value: "Everything"' in told
        policy = master.folder / "policy.yaml"
        policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
        log = master.folder / "audit" / "audit.log"
        settings = yaml.safe_load(master.config.read_text())
        master.config.write_text(yaml.safe_dump(settings | {"audit": {"policy_file": str(policy), "log_file": str(log)}}))
        await master.start()
        assert await master.stop() == 0
        events = [json.loads(line) for line in log.read_text().splitlines()]
        assert {event["stage"] for event in events} >= {"RequestReceived", "ResponseComplete"}
        assert all(event["apiVersion"] == "audit.k8s.io/v1" for event in events)


async def test_the_master_may_open_as_many_files_as_the_host_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = before[1] if before[1] != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        async with master_running() as master:
            assert master.process is not None
            limits = resource.prlimit(master.process.pid, resource.RLIMIT_NOFILE)
            assert limits[0] == min(wanted, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
