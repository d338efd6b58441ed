"""TLS contexts for webhooks: one per CA bundle, kept, so that connections to the same server can be used again."""

import asyncio
import base64
import binascii
import ssl
from collections import OrderedDict

#: kube-apiserver's defaultCacheSize of webhook clients.
_KEPT = 200


class BadBundle(Exception):
    """The caBundle holds no certificates."""


class Trust:
    """Contexts by CA bundle; the one for "" trusts the host's authorities."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def context(self, bundle: str) -> ssl.SSLContext:
        """`bundle`: PEM certificates in base64, as a clientConfig has them. Raises BadBundle."""
        found = self._contexts.get(bundle)
        if found is not None:
            self._contexts.move_to_end(bundle)
            return found
        # In a thread: the host's authorities are a file, and long bundles take their time.
        made = await asyncio.to_thread(_make, bundle)
        self._contexts[bundle] = made
        if len(self._contexts) > _KEPT:
            self._contexts.popitem(last=False)
        return made


def _make(bundle: str) -> ssl.SSLContext:
    if not bundle:
        context = ssl.create_default_context()
    else:
        try:
            pem = base64.b64decode(bundle, validate=True).decode("ascii")
            context = ssl.create_default_context(cadata=pem)
        except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError) as error:
            raise BadBundle("unable to load root certificates: unable to parse bytes as PEM block") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As Go: a certificate says whose it is in its subjectAltName, not in its common name.
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context
