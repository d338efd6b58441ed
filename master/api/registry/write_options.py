"""What comes with a write beside its body: for whom it is done, and how. Made by HTTP for each request."""

from collections.abc import Callable

import msgspec

from master.api.auth.protocol import AUTHENTICATED, MASTERS, UserInfo
from master.client.protocol import Json

#: Who writes in process: controllers, scheduler, fleet.
MASTER_USER = UserInfo("system:wherry-master", groups=(MASTERS, AUTHENTICATED))

#: Tells the client something about its write that is no error. HTTP sends it as a Warning header.
Warn = Callable[[str], None]

#: Gives a body in the form of the schema of this name, as it is to be stored. Raises StatusError 400 or 422.
Check = Callable[[str, Json], Json]
MayCreate = Callable[[], None]


def unheard(text: str) -> None:
    """The warnings of a write in process: nobody reads them."""


class WriteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`check` None: the schema's own normalisation. `field_manager` "": the master itself, which owns what it changes.

    `force`: a server-side apply takes fields that others own. `may_create`: called before an apply creates what is not there
    yet; raises StatusError 403 for who may patch but not create. `size`: bytes of the body; 0: nobody counted them.
    """

    user: UserInfo = MASTER_USER
    dry_run: bool = False
    check: Check | None = None
    field_manager: str = ""
    force: bool = False
    may_create: MayCreate | None = None
    warn: Warn = unheard
    size: int = 0


#: A write by what runs inside the master.
IN_PROCESS = WriteOptions()
