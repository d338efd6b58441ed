"""/healthz, /livez and /readyz, with ?verbose and ?exclude= as kube-apiserver's."""

from collections.abc import Callable, Mapping

from aiohttp import web

from master.api.http.responses import text_response

#: "" when all is well, else what is wrong.
HealthCheck = Callable[[], str]
PATHS = frozenset({"/healthz", "/livez", "/readyz"})


class Health:
    """`ready` is asked for /readyz and /healthz; that this answers at all is /livez."""

    def __init__(self, ready: Mapping[str, HealthCheck]) -> None:
        self._ready = dict(ready)

    def respond(self, request: web.Request) -> web.Response:
        endpoint = request.path.strip("/")
        checks: dict[str, HealthCheck] = {"ping": lambda: ""}
        if endpoint != "livez":
            checks.update(self._ready)
        excluded = set(request.query.getall("exclude", []))
        lines, failed = [], False
        for name, check in checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            wrong = check()
            failed = failed or bool(wrong)
            lines.append(f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok")
        if failed:
            return text_response("\n".join([*lines, f"{endpoint} check failed"]) + "\n", code=500)
        if "verbose" in request.query:
            return text_response("\n".join([*lines, f"{endpoint} check passed"]) + "\n")
        return text_response("ok")
