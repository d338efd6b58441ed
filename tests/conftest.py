"""Fixtures that tests of several kinds share."""

pytest_plugins = ["tests.hosts.fixtures"]
