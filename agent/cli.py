"""The command line: `wherry-agent join | run | reset`.

Each command returns an exit code; an error that the operator can mend is one line on standard error. What a command needs is
imported when it runs: `join` starts in a fraction of the time without Docker and the network.
"""

import argparse
import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent import settings
from agent.settings import InvalidSettings
from proto.daemon.imports import leave_out_what_nobody_uses
from proto.daemon.memory import bound_arenas
from proto.version import VERSION

#: Flags of `run` and `reset` that are settings: flag, dotted setting, type, help.
_SETTING_FLAGS: tuple[tuple[str, str, type, str], ...] = (
    ("--data-dir", "data_dir", str, f"folder for checkpoint and pod data (default: {settings.DEFAULT_DATA_DIR})"),
    ("--docker", "docker", str, f"the engine's socket (default: {settings.DEFAULT_DOCKER})"),
    ("--proxy-mode", "proxy_mode", str, "kube-proxy: nftables, userspace or auto (default)"),
    ("--broker-host", "broker.host", str, "address of the MQTT broker"),
    ("--broker-port", "broker.port", int, "port of the MQTT broker"),
    ("--health-port", "health.port", int, f"port of the health server on loopback (default: {settings.DEFAULT_HEALTH_PORT})"),
    ("--max-pods", "kubelet.max_pods", int, "how many pods the node takes (default: 110)"),
    ("--log-level", "log_level", str, "DEBUG, INFO, WARNING or ERROR"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    parsed = _parser().parse_args(argv)
    code: int = parsed.command(parsed)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wherry-agent", description="The agent of a wherry node.")
    parser.add_argument("--version", action="version", version=f"wherry-agent {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    join = commands.add_parser("join", help="make this host a node of a cluster")
    join.set_defaults(command=_join)
    join.add_argument("--server", required=True, help="the master's URL: https://HOST:6443")
    join.add_argument("--token", required=True, help="a token of `wherry-master token create`")
    join.add_argument("--ca-hash", required=True, help="the CA's hash: sha256:HEX")
    join.add_argument("--node-name", default=socket.gethostname().lower(), help="the node's name (default: the host's)")
    join.add_argument("--config-dir", type=Path, default=settings.DEFAULT_CONFIG_DIR, help="folder for keys and settings")
    join.add_argument("--data-dir", default=settings.DEFAULT_DATA_DIR, help="folder for checkpoint and pod data")

    run = commands.add_parser("run", help="run the agent")
    run.set_defaults(command=_run)
    reset = commands.add_parser(
        "reset",
        help="remove wherry's containers, network, rules and files from this host",
        description="Removes what the agent made on this host: its containers, Docker network, nftables rules, routes, data "
        "and settings. Nothing that does not carry wherry's mark is touched.",
    )
    reset.set_defaults(command=_reset)
    reset.add_argument(
        "--keep-settings", action="store_true", help="keep keys, certificate and settings: the host stays joined"
    )
    for command in (run, reset):
        command.add_argument("--config", type=Path, default=settings.DEFAULT_CONFIG, help="the settings file")
        for flag, dotted, kind, text in _SETTING_FLAGS:
            command.add_argument(flag, dest=dotted, type=kind, help=text)
    return parser


def _flags(parsed: argparse.Namespace) -> Mapping[str, Any]:
    return {dotted: vars(parsed)[dotted] for _, dotted, _, _ in _SETTING_FLAGS}


def _join(parsed: argparse.Namespace) -> int:
    from agent.join import JoinFailed, JoinRequest, join

    request = JoinRequest(
        server=parsed.server,
        token=parsed.token,
        ca_hash=parsed.ca_hash,
        node_name=parsed.node_name,
        config_dir=parsed.config_dir,
        data_dir=parsed.data_dir,
    )
    try:
        config = asyncio.run(join(request))
    except JoinFailed as error:
        return _failed("cannot join", error)
    print(f"node {request.node_name} has joined; its settings are in {config}")
    print(f"start it: wherry-agent run --config {config}")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    leave_out_what_nobody_uses()
    bound_arenas()
    from agent.app import main as run_agent

    try:
        loaded = settings.load(parsed.config, _flags(parsed))
    except InvalidSettings as error:
        return _failed("cannot start", error)
    return run_agent(loaded)


def _reset(parsed: argparse.Namespace) -> int:
    from agent.reset import ResetFailed, reset

    try:
        loaded = settings.load(parsed.config, _flags(parsed))
        asyncio.run(reset(loaded, None if parsed.keep_settings else parsed.config))
    except (InvalidSettings, ResetFailed) as error:
        return _failed("cannot reset", error)
    return 0


def _failed(what: str, error: Exception) -> int:
    print(f"wherry-agent: {what}: {error}", file=sys.stderr)
    return 1
