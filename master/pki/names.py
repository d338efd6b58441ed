"""The names and addresses that the master is reached at: what its server certificates must hold."""

from master.host import default_address, host_addresses, host_names
from master.settings import BrokerSettings, MasterSettings


def advertised(settings: MasterSettings) -> str:
    """The address or name that others reach this master at."""
    return settings.advertise_address or str(default_address())


def api_url(settings: MasterSettings) -> str:
    """The API's URL for kubectl and agents."""
    host = advertised(settings)
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.listen.port}"


def broker_advertised(settings: MasterSettings) -> str:
    """The address or name that agents reach the master's own broker at."""
    own = settings.broker.advertise if isinstance(settings.broker, BrokerSettings) else ""
    return own or advertised(settings)


def broker_local(settings: BrokerSettings) -> str:
    """The address at which the master reaches its own broker."""
    return "127.0.0.1" if settings.address in ("", "0.0.0.0") else "::1" if settings.address == "::" else settings.address


def server_names(settings: MasterSettings) -> list[str]:
    """For the API: the `kubernetes` Service's names and address, and this host's."""
    domain = settings.network.cluster_domain
    service = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        settings.network.api_service_address,
    ]
    return _distinct([*service, *_host(settings)])


def broker_names(settings: MasterSettings) -> list[str]:
    """For the broker: this host's names and addresses."""
    own = [broker_local(settings.broker)] if isinstance(settings.broker, BrokerSettings) else []
    return _distinct([*_host(settings), broker_advertised(settings), *own])


def _host(settings: MasterSettings) -> list[str]:
    addresses = [str(address) for address in host_addresses()]
    return ["localhost", "127.0.0.1", "::1", *host_names(), *addresses, advertised(settings), *settings.extra_sans]


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
