"""Who writes, when a client does not say: the beginning of its User-Agent."""

import pytest

from master.api.http.write_query import manager_of


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.33.0 (linux/amd64) kubernetes/abc", "kubectl"),
        ("argocd-application-controller", "argocd-application-controller"),
        ("a\x00b\tc/1", "abc"),
        ("", "unknown"),
        ("/1.0", "unknown"),
        ("x" * 200, "x" * 128),
        ("é" * 100, "é" * 64),
    ],
)
def test_the_manager_is_what_the_user_agent_begins_with(user_agent: str, manager: str) -> None:
    assert manager_of(user_agent) == manager
