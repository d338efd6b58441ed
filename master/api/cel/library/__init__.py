"""All functions that expressions may call, and the opaque types. One file a subject, each with `OVERLOADS`."""

from master.api.cel.declarations import Overload
from master.api.cel.library import (
    addresses,
    conversions,
    formats,
    lists,
    operators,
    optionals,
    quantities,
    regex,
    semver,
    sets,
    strings,
    times,
    urls,
)

OVERLOADS: tuple[Overload, ...] = tuple(
    overload
    for module in (
        operators, conversions, strings, times, lists, sets, optionals, regex, urls, quantities, addresses, formats, semver
    )
    for overload in module.OVERLOADS
)  # fmt: skip

#: The classes whose values are of opaque types.
OPAQUE_NAMES: dict[type, str] = {
    quantities.Quantity: "kubernetes.Quantity",
    urls.Url: "kubernetes.URL",
    addresses.Ip: "net.IP",
    addresses.Cidr: "net.CIDR",
    formats.Format: "kubernetes.NamedFormat",
    semver.Semver: "kubernetes.Semver",
}
