"""Keeps libraries from bringing what nothing here uses: a fifth of a daemon's memory was modules of theirs that never ran.

Called once by a daemon's command, before anything imports them. Whatever is left out is only left out of this process; when a
library changes, it comes along again and costs memory, no more.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec

#: Packages whose own `__init__` only gathers all of their modules: here each module is imported by its own name.
_GATHERERS = ("lightkube", "pyroute2")
#: What dnspython can do beside DNS over UDP and TCP, each with libraries of its own.
_DNS_FEATURES = ("dnssec", "doh", "doq", "trio")


def leave_out_what_nobody_uses() -> None:
    for name in _GATHERERS:
        if name not in sys.modules and (spec := _spec(name)) is not None:
            sys.modules[name] = module_from_spec(spec)  # a package to find modules in, its own code not run
    try:
        force = importlib.import_module("dns._features").force
    except (ImportError, AttributeError):
        return  # another version: nothing is left out
    for feature in _DNS_FEATURES:
        force(feature, False)


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None
