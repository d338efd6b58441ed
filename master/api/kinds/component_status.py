"""ComponentStatus: whether a part of the control plane is well. Never stored: made of the health checks at each read."""

from master.api.kinds.kind import Kind
from master.api.printers import component_status as printer

KIND = Kind(
    group="",
    version="v1",
    kind="ComponentStatus",
    plural="componentstatuses",
    singular="componentstatus",
    short_names=("cs",),
    namespaced=False,
    definition="io.k8s.api.core.v1.ComponentStatus",
    verbs=("get", "list"),
    columns=printer.COLUMNS,
    row=printer.row,
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
)
