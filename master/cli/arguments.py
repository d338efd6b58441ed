"""The command line's flags. Every setting flag is a dotted path into `master.settings`; one that is absent changes nothing."""

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from master import settings
from master.cli import init, run, token
from proto.version import VERSION

#: Flags that are settings: flag, dotted setting, type, help.
_SETTING_FLAGS: tuple[tuple[str, str, type, str], ...] = (
    ("--data-dir", "data_dir", str, "folder for keys, store and broker"),
    ("--listen-address", "listen.address", str, "address that the API listens on (default: all)"),
    ("--listen-port", "listen.port", int, "port that the API listens on (default: 6443)"),
    ("--advertise-address", "advertise_address", str, "address that kubectl, agents and pods reach this master at"),
    ("--cluster-cidr", "network.cluster_cidr", str, "addresses of pods (default: 10.244.0.0/16)"),
    ("--service-cidr", "network.service_cidr", str, "addresses of Services (default: 10.96.0.0/16)"),
    ("--cluster-domain", "network.cluster_domain", str, "the cluster's DNS domain (default: cluster.local)"),
    ("--broker", "broker", str, "an external broker, mqtts://host:port"),
    ("--broker-port", "broker.port", int, "port of the broker that the master runs (default: 8883)"),
    ("--broker-address", "broker.address", str, "address that this broker listens on (default: all)"),
    ("--kubeconfig", "kubeconfig", str, "the administrator's kubeconfig"),
    ("--log-level", "log_level", str, "DEBUG, INFO, WARNING or ERROR"),
)
_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line. Exits with code 2 on errors.

    `command` in it is the function to call; `given` and `load_settings` are those below.
    """
    parser = argparse.ArgumentParser(prog="wherry-master", description="The master of a wherry cluster.")
    parser.add_argument("--version", action="version", version=f"wherry-master {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "init", "make the cluster's keys, certificates and kubeconfig; keeps what exists", init.run)
    _command(commands, "run", "run the master", run.run)
    tokens = commands.add_parser("token", help="manage the tokens that agents join with")
    actions = tokens.add_subparsers(required=True, metavar="ACTION")
    create = _command(actions, "create", "create a token", token.create)
    create.add_argument(
        "--ttl", type=duration, default=timedelta(hours=24), help="life of the token (default: 24h; 0: for ever)"
    )
    create.add_argument("--description", default="", help="a note for `token list`")
    create.add_argument("--print-join-command", action="store_true", help="print the whole command that joins an agent")
    _command(actions, "list", "list the tokens", token.list_tokens)
    delete = _command(actions, "delete", "delete a token", token.delete)
    delete.add_argument("token_id", help="the token, or its id (the part before the dot)")
    return parser.parse_args(argv)


def load_settings(parsed: argparse.Namespace) -> settings.MasterSettings:
    """The settings that a parsed command line names. Raises InvalidSettings."""
    return settings.load(parsed.config, given(parsed))


def given(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings that came as flags, by dotted path."""
    flags = {setting: vars(parsed)[setting] for _, setting, _, _ in _SETTING_FLAGS}
    flags["extra_sans"] = parsed.extra_sans or None
    return {setting: value for setting, value in flags.items() if value is not None}


def duration(text: str) -> timedelta:
    """A duration such as 24h, 1h30m or 0, as Go writes them."""
    if text == "0":
        return timedelta()
    if not text or _DURATION.sub("", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 24h or 30m")
    return timedelta(seconds=sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _DURATION.findall(text)))


def _command(commands: Any, name: str, description: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=description, description=description)
    parser.set_defaults(command=function, given=given, load_settings=load_settings)
    parser.add_argument("--config", type=Path, help=f"settings file (default: {settings.DEFAULT_CONFIG})")
    for flag, setting, kind, text in _SETTING_FLAGS:
        parser.add_argument(flag, dest=setting, type=kind, help=text)
    parser.add_argument("--extra-san", dest="extra_sans", action="append", help="further name or address for the certificates")
    return parser
