"""`wherry-master init`: makes what is missing of a cluster's identity. A second run changes nothing that is still good."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from master import settings as master_settings
from master.pki import cluster, files
from master.pki.names import api_url, broker_names, server_names
from master.settings import MasterSettings


def run(parsed: argparse.Namespace) -> int:
    """Make keys, certificates, kubeconfig and, where none exists, the settings file that repeats the flags."""
    flags = parsed.given(parsed)
    config = _config_to_write(parsed.config, flags)
    settings = master_settings.load(None if config is not None else parsed.config, flags)
    _make_folder(settings.data_path, 0o711)  # the broker's user must pass through it
    pki, written = cluster.prepare(settings.pki_path, server_names=server_names(settings), broker_names=broker_names(settings))
    if config is not None:
        _make_folder(config.parent, 0o700)
        files.write(config, _render(flags), mode=files.PRIVATE_MODE)
        written.append(str(config))
    if _write_kubeconfig(settings, pki):
        written.append(str(settings.kubeconfig_path))
    for name in written:
        print(f"wrote {name}")
    if not written:
        print("everything is there already")
    print(f"cluster {pki.cluster_id}, CA {pki.authority.public_key_hash}")
    print(f"kubeconfig: {settings.kubeconfig_path}")
    return 0


def _config_to_write(named: Path | None, flags: dict[str, Any]) -> Path | None:
    """The settings file to make: the named one, or the default one unless the flags point to another data folder."""
    if named is not None:
        return None if named.exists() else named
    if master_settings.DEFAULT_CONFIG.exists() or "data_dir" in flags:
        return None
    return master_settings.DEFAULT_CONFIG


def _render(flags: dict[str, Any]) -> bytes:
    values: dict[str, Any] = {}
    for dotted, value in flags.items():
        *parents, last = dotted.split(".")
        inner = values
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    text = yaml.safe_dump(values, sort_keys=False) if values else ""
    return f"# Settings of wherry-master; every flag of `wherry-master run` has its setting here.\n{text}".encode()


def _write_kubeconfig(settings: MasterSettings, pki: cluster.ClusterPki) -> bool:
    path = settings.kubeconfig_path
    content = pki.kubeconfig(api_url(settings))
    if path.exists() and files.read(path) == content:
        return False
    _make_folder(path.parent, 0o700)
    files.write(path, content)
    return True


def _make_folder(folder: Path, mode: int) -> None:
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True)
        folder.chmod(mode)
    except OSError as error:
        raise files.PkiError(f"cannot make {folder}: {error.strerror}") from error
