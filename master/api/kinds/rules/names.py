"""What names, labels and ports may look like (k8s.io/apimachinery pkg/util/validation).

Each function returns why a value is wrong, in Kubernetes' words; an empty list when it is right.
Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import ipaddress
import re
from functools import lru_cache

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_PORT_NAME = re.compile(r"[-a-z0-9]+\Z")

DNS1123_LABEL_MAX = 63
DNS1123_SUBDOMAIN_MAX = 253

_DNS1123_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    f"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_DNS1123_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_DNS1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
    f"with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS1035}')"
)
_WILDCARD_MESSAGE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case "
    "alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for "
    rf"validation is '\*\.{_SUBDOMAIN}')"
)
_QUALIFIED_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY}')"
)


_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_HTTP_PATH_MESSAGE = f"Invalid path (e.g. '/path', regex used for validation is '{_HTTP_PATH}')"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}\Z")


_LABEL_RE = _compiled(_LABEL)
_SUBDOMAIN_RE = _compiled(_SUBDOMAIN)
_DNS1035_RE = _compiled(_DNS1035)
_WILDCARD_RE = _compiled(rf"\*\.{_SUBDOMAIN}")
_QUALIFIED_RE = _compiled(_QUALIFIED)
_LABEL_VALUE_RE = _compiled(_LABEL_VALUE)
_CONFIG_KEY_RE = _compiled(_CONFIG_KEY)
_HTTP_PATH_RE = _compiled(_HTTP_PATH)
_ENV_NAME_RE = re.compile(r"[ -<>-~]+\Z")


def _length(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if len(value) > limit else []


def dns1123_label(value: str) -> list[str]:
    wrong = _length(value, DNS1123_LABEL_MAX)
    if not _LABEL_RE.match(value):
        # Kubernetes says the subdomain's rule when only the dots are wrong.
        wrong.append("must not contain dots" if _SUBDOMAIN_RE.match(value) else _DNS1123_LABEL_MESSAGE)
    return wrong


def dns1123_subdomain(value: str) -> list[str]:
    wrong = _length(value, DNS1123_SUBDOMAIN_MAX)
    if not _SUBDOMAIN_RE.match(value):
        wrong.append(_DNS1123_SUBDOMAIN_MESSAGE)
    return wrong


def wildcard_dns1123_subdomain(value: str) -> list[str]:
    """A host with a wildcard: "*.example.com"."""
    wrong = _length(value, DNS1123_SUBDOMAIN_MAX)
    if not _WILDCARD_RE.match(value):
        wrong.append(_WILDCARD_MESSAGE)
    return wrong


def dns1035_label(value: str) -> list[str]:
    wrong = _length(value, DNS1123_LABEL_MAX)
    if not _DNS1035_RE.match(value):
        wrong.append(_DNS1035_MESSAGE)
    return wrong


@lru_cache(maxsize=4096)
def _qualified_name(value: str) -> tuple[str, ...]:
    wrong: list[str] = []
    prefix, slash, name = value.rpartition("/")
    if slash:
        if "/" in prefix:
            return (
                f"a qualified name {_QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')",
            )
        if not prefix:
            wrong.append("prefix part must be non-empty")
        else:
            wrong.extend(f"prefix part {text}" for text in dns1123_subdomain(prefix))
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > DNS1123_LABEL_MAX:
        wrong.append(f"name part must be no more than {DNS1123_LABEL_MAX} characters")
    if not _QUALIFIED_RE.match(name):
        wrong.append(f"name part {_QUALIFIED_MESSAGE}")
    return tuple(wrong)


def qualified_name(value: str) -> list[str]:
    """A label's key: an optional DNS subdomain, a slash, a name."""
    return list(_qualified_name(value))


@lru_cache(maxsize=4096)
def _label_value(value: str) -> tuple[str, ...]:
    wrong = _length(value, DNS1123_LABEL_MAX)
    if not _LABEL_VALUE_RE.match(value):
        wrong.append(_LABEL_VALUE_MESSAGE)
    return tuple(wrong)


def label_value(value: str) -> list[str]:
    return list(_label_value(value))


def domain_prefixed_path(value: str) -> list[str]:
    """A name of somebody's own: a DNS subdomain, a slash, a path (IsDomainPrefixedPath)."""
    domain, slash, path = value.partition("/")
    if not slash or not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    wrong = dns1123_subdomain(domain)
    if not _HTTP_PATH_RE.match(path):
        wrong.append(_HTTP_PATH_MESSAGE)
    return wrong


def path_segment(value: str) -> list[str]:
    """A name that may be anything that fits into one segment of a URL's path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def config_map_key(value: str) -> list[str]:
    wrong = _length(value, DNS1123_SUBDOMAIN_MAX)
    if not _CONFIG_KEY_RE.match(value):
        wrong.append(_CONFIG_KEY_MESSAGE)
    elif value == ".":
        wrong.append("must not be '.'")
    elif value == "..":
        wrong.append("must not be '..'")
    elif value.startswith(".."):
        wrong.append("must not start with '..'")
    return wrong


def env_var_name(value: str) -> list[str]:
    """Since Kubernetes 1.32 (RelaxedEnvironmentVariableValidation): any printable ASCII but "="."""
    if _ENV_NAME_RE.match(value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> list[str]:
    """An IANA service name."""
    wrong = []
    if len(value) > 15:
        wrong.append("must be no more than 15 characters")
    if not _PORT_NAME.match(value):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any(letter.isalpha() for letter in value):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in value:
        wrong.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def ip_address(value: str) -> list[str]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []


def cidr(value: str) -> list[str]:
    """A network, with or without bits beyond its prefix."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        network = None
    if network is None or "/" not in value or not value.rpartition("/")[2].isdigit():
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    return []
