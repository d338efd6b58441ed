"""Fixtures that tests of several kinds share."""

import pytest

pytest_plugins = ["tests.hosts.fixtures", "tests.spread"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-cases", type=int, default=10_000, help="requests that the API's fuzz test sends")
    parser.addoption(
        "--crash-points", type=int, default=25, help="times that a busy node's agent is killed (200 for a release)"
    )
