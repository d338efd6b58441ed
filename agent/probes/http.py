"""Does an HTTP request succeed: a status from 200 to 399. One connection per probe; certificates are not verified.

Redirects on the same host are followed; one that leads to another host counts as success, as in kubelet.
"""

import asyncio
from urllib.parse import urlsplit

import aiohttp
from lightkube.models.core_v1 import HTTPGetAction
from multidict import CIMultiDict
from yarl import URL

from agent.probes.protocol import MAX_OUTPUT, ProbeResult, ProbeTarget
from agent.probes.tcp import dial_problem
from agent.runtime.protocol import Streams

_MAX_REDIRECTS = 10
_USER_AGENT = "kube-probe/1.33"


class HTTPProber:
    source = "httpGet"

    async def probe(self, handler: HTTPGetAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        port = target.port(handler.port)
        if port is None:
            return ProbeResult("unknown", f"couldn't find port: {handler.port}")
        url = _url(handler, target, port)
        try:
            async with asyncio.timeout(timeout):
                return await _get(url, _headers(handler, url))
        except TimeoutError:
            return ProbeResult(
                "failure", f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            )
        except aiohttp.ClientConnectorError as error:
            problem = dial_problem(error.os_error)
            return ProbeResult("failure", f'Get "{url}": dial tcp {url.host}:{url.port}: connect: {problem}')
        except (aiohttp.ClientError, ValueError) as error:
            return ProbeResult("failure", f'Get "{url}": {error or type(error).__name__}')


def _url(handler: HTTPGetAction, target: ProbeTarget, port: int) -> URL:
    host = handler.host or target.address
    bracketed = f"[{host}]" if ":" in host else host
    path = handler.path or "/"
    return URL(f"{(handler.scheme or 'HTTP').lower()}://{bracketed}:{port}{path if path.startswith('/') else '/' + path}")


def _headers(handler: HTTPGetAction, url: URL) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for header in handler.httpHeaders or ():
        headers.add(header.name, header.value)
    # A header that is given empty is left out, as kubelet does.
    for name, default in (("User-Agent", _USER_AGENT), ("Accept", "*/*")):
        if name not in headers:
            headers[name] = default
        elif not headers[name]:
            del headers[name]
    return headers


async def _get(url: URL, headers: CIMultiDict[str]) -> ProbeResult:
    connector = aiohttp.TCPConnector(ssl=False, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("User-Agent", "Accept")
    ) as session:
        current = url
        for _ in range(_MAX_REDIRECTS):
            async with session.get(current, headers=headers, allow_redirects=False) as answer:
                location = answer.headers.get("Location")
                if answer.status in (301, 302, 303, 307, 308) and location:
                    following = current.join(URL(location))
                    if urlsplit(str(following)).hostname != urlsplit(str(url)).hostname:
                        return ProbeResult("success", "Probe terminated redirects")
                    current = following
                    continue
                body = await answer.content.read(MAX_OUTPUT)
                if 200 <= answer.status < 400:
                    return ProbeResult("success", body.decode("utf-8", "replace"))
                return ProbeResult("failure", f"HTTP probe failed with statuscode: {answer.status}")
    return ProbeResult("failure", f'Get "{url}": stopped after {_MAX_REDIRECTS} redirects')


PROBER = HTTPProber()
