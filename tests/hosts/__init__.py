"""Several hosts on one machine, each a network namespace with, if wanted, a Docker engine of its own.

For integration and end-to-end tests (root needed). The hosts hang on one switch, which is a namespace too: a bridge in the
root namespace would be filtered by the root engine's iptables rules.

    async with Switch() as switch:
        one, two = await switch.add_hosts("one", "two", docker=True)
        await two.run("busybox", "ping", "-c1", one.address)
        await one.link_down()            # a partition

Everything is named after the process that made it (`wh-<pid>-…`, folder `/tmp/wh-<pid>-…`), so that runs live side by side
and what a killed run left behind is found and removed when the next one starts. `tests.hosts.fixtures` has the fixtures.
"""

from tests.hosts.command import CommandFailed, Completed, run
from tests.hosts.host import Host
from tests.hosts.images import BUSYBOX_IMAGE, PAUSE_IMAGE, busybox_archive, pause_archive
from tests.hosts.leftovers import remove_leftovers
from tests.hosts.switch import Switch

__all__ = [
    "BUSYBOX_IMAGE",
    "PAUSE_IMAGE",
    "CommandFailed",
    "Completed",
    "Host",
    "Switch",
    "busybox_archive",
    "pause_archive",
    "remove_leftovers",
    "run",
]
