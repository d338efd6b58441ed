"""A pod's /etc/hosts and /etc/resolv.conf: their contents (pure) and their files in the pod's directory.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightkube.models.core_v1 import Pod, PodDNSConfig

from agent.kubelet.labels import identity
from agent.kubelet.pods import spec_of

#: Where systemd-resolved keeps the real servers when /etc/resolv.conf only names itself.
_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
#: The kernel's own bound.
_MAX_HOSTNAME = 64


class NameTooLong(Exception):
    """A host name that the kernel would not take."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """The contents of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"nameserver {server}" for server in self.nameservers]
        if self.searches:
            lines.insert(0, f"search {' '.join(self.searches)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "\n".join(lines) + "\n"


def parse_resolver(text: str) -> Resolver:
    nameservers, searches, options = [], [], []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                nameservers.append(server)
            case ["search" | "domain", *names]:
                searches = names
            case ["options", *more]:
                options += more
    return Resolver(tuple(nameservers), tuple(searches), tuple(options))


def host_resolver(path: Path) -> Resolver:
    """The host's, without a stub on the host's loopback where that can be told: pods cannot reach it."""
    resolver = _read_resolver(path)
    if resolver.nameservers and all(_is_loopback(server) for server in resolver.nameservers) and _RESOLVED.exists():
        return _read_resolver(_RESOLVED)
    return resolver


def _read_resolver(path: Path) -> Resolver:
    try:
        return parse_resolver(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return Resolver()


def _is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def pod_resolver(pod: Pod, *, host: Resolver, cluster_dns: str, cluster_domain: str) -> Resolver:
    spec = spec_of(pod)
    policy = spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and spec.hostNetwork:
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy == "Default" or not cluster_dns:
        base = host
    else:
        namespace = identity(pod).namespace
        searches = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain, *host.searches)
        base = Resolver((cluster_dns,), searches, ("ndots:5",))
    return _with_config(base, spec.dnsConfig)


def _with_config(base: Resolver, config: PodDNSConfig | None) -> Resolver:
    if config is None:
        return base
    options = {option.partition(":")[0]: option for option in base.options}
    for one in config.options or ():
        if one.name:
            options[one.name] = f"{one.name}:{one.value}" if one.value else one.name
    return Resolver(
        _unique((*base.nameservers, *(config.nameservers or ())))[:_MAX_NAMESERVERS],
        _unique((*base.searches, *(config.searches or ())))[:_MAX_SEARCHES],
        tuple(options.values()),
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def hostname(pod: Pod) -> str:
    """The pod's host name: its own setting or its name, at most 63 characters."""
    name = spec_of(pod).hostname or identity(pod).name
    return name[:63].rstrip("-.")


def system_hostname(pod: Pod, *, cluster_domain: str) -> str:
    """What the kernel is told: with setHostnameAsFQDN and a subdomain the whole name. Raises NameTooLong."""
    spec, name = spec_of(pod), hostname(pod)
    if not (spec.setHostnameAsFQDN and spec.subdomain):
        return name
    whole = f"{name}.{spec.subdomain}.{identity(pod).namespace}.svc.{cluster_domain}"
    if len(whole) > _MAX_HOSTNAME:
        raise NameTooLong(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {whole} is too long "
            f"({_MAX_HOSTNAME} characters is the max, {len(whole)} characters requested)"
        )
    return whole


def hosts_file(pod: Pod, *, pod_ips: Sequence[str], cluster_domain: str, host_content: str) -> str:
    spec = spec_of(pod)
    if spec.hostNetwork:
        text = f"# Kubernetes-managed hosts file (host network).\n{host_content}"
    else:
        lines = [
            "# Kubernetes-managed hosts file.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::\tip6-localnet",
            "fe00::\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
        ]
        name = hostname(pod)
        for ip in pod_ips:
            if spec.subdomain:
                domain = f"{spec.subdomain}.{identity(pod).namespace}.svc.{cluster_domain}"
                lines.append(f"{ip}\t{name}.{domain}\t{name}")
            else:
                lines.append(f"{ip}\t{name}")
        text = "\n".join(lines) + "\n"
    if spec.hostAliases:
        text += "\n# Entries added by HostAliases.\n"
        for alias in spec.hostAliases:
            names = "\t".join(alias.hostnames or ())
            text += f"{alias.ip}\t{names}\n"
    return text


def write_in_place(path: Path, text: str) -> None:
    """Same inode: the file is bind-mounted into containers."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
