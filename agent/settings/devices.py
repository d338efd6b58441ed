"""The extended resources of a node: GPUs and other devices that pods ask for by name and count.

kubelet:
  extended_resources:
    nvidia.com/gpu: {ids: ["0", "1"], driver: nvidia}
    example.com/fpga: {ids: [fpga0, fpga1], devices: ["/dev/{id}"], env: {FPGA_IDS: "{ids}"}}
    example.com/licence: {count: 5}
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from proto.daemon.settings import Settings

#: A qualified name: a domain, and a label's key. https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_DEVICE = re.compile(r"/[^:]+(:/[^:]+(:[rwm]{1,3})?)?\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Text = Annotated[str, msgspec.Meta(min_length=1)]


class ExtendedResourceSettings(Settings, frozen=True):
    """ids: names of the pieces, each given to one pod; or count: so many without names.

    A container gets, for its pieces: `devices` ("HOST[:INSIDE[:PERMISSIONS]]", "{id}" is replaced by each piece's, what has
    none is given once), a request of Docker's device `driver` with the ids and `capabilities`, and `env` ("{ids}": all, with
    commas between).
    """

    ids: tuple[Text, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    devices: tuple[str, ...] = ()
    driver: str = ""
    capabilities: tuple[Text, ...] = ("gpu",)
    env: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.ids) == bool(self.count):
            raise ValueError("extended_resources: give either ids or count")
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("extended_resources: ids are not unique")
        if not self.ids and (self.devices or self.driver or self.env):
            raise ValueError("extended_resources: devices, driver and env need ids")
        for device in self.devices:
            if not _DEVICE.match(device):
                raise ValueError(f"extended_resources: {device!r} is no device: HOST[:INSIDE[:PERMISSIONS]]")
        for variable in self.env:
            if not _VARIABLE.match(variable):
                raise ValueError(f"extended_resources: {variable!r} is no name of a variable")


def check_names(resources: Mapping[str, object]) -> None:
    """Raises ValueError for what Kubernetes would not take for an extended resource."""
    for name in resources:
        domain = name.partition("/")[0]
        if not _NAME.match(name) or domain == "kubernetes.io" or domain.endswith(".kubernetes.io"):
            raise ValueError(f"extended_resources: {name!r} is not the name of an extended resource (DOMAIN/NAME)")
