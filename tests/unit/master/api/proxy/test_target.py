"""Names below proxy."""

import pytest

from master.api.proxy.target import split_name
from master.client.errors import StatusError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ("", "a", "")),
        ("a:80", ("", "a", "80")),
        ("https:a:web", ("https", "a", "web")),
        ("https:a:", ("https", "a", "")),
        (":a:80", ("", "a", "80")),
    ],
)
def test_a_name_may_have_a_scheme_and_a_port(name: str, expected: tuple[str, str, str]) -> None:
    assert split_name(name, "pod") == expected


@pytest.mark.parametrize("name", ["", ":80", "ftp:a:1", "http::1", "a:b:c:d"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        split_name(name, "service")
    assert (refused.value.code, refused.value.message) == (400, f'invalid service request "{name}"')
