"""Which subprotocol is spoken, and what a query asks of port-forward."""

import pytest

from master.api.streaming.port_channels import ports_of
from master.api.streaming.remote_command import WEBSOCKET_VERSIONS, Wanted, final_message
from master.api.streaming.websocket import choose
from master.client.errors import StatusError


def test_the_clients_first_choice_that_is_known_is_spoken() -> None:
    assert choose(["v9.channel.k8s.io", "v4.channel.k8s.io", "v5.channel.k8s.io"], WEBSOCKET_VERSIONS) == "v4.channel.k8s.io"
    assert choose([], WEBSOCKET_VERSIONS) == ""
    with pytest.raises(StatusError) as refused:
        choose(["v9.channel.k8s.io"], ("v4.channel.k8s.io", ""))
    assert refused.value.code == 403
    why = "unable to negotiate protocol: client supports [v9.channel.k8s.io], server accepts [v4.channel.k8s.io]"
    assert refused.value.message == f"unable to upgrade: {why}"
    with pytest.raises(StatusError):
        choose([], ("v4.channel.k8s.io",))


def test_a_terminal_has_sizes_since_version_3_and_never_an_error_stream() -> None:
    wanted = Wanted(stdin=True, stdout=True, stderr=True, tty=True)
    assert wanted.channels("v4.channel.k8s.io") == {"error", "stdin", "stdout", "resize"}
    assert wanted.channels("v2.channel.k8s.io") == {"error", "stdin", "stdout"}
    assert Wanted(stdin=False, stdout=True, stderr=True, tty=False).channels("") == {"error", "stdout", "stderr"}


def test_the_last_message_fits_the_version() -> None:
    failed = {"status": "Failure", "message": "no"}
    assert final_message("v5.channel.k8s.io", failed) == b'{"status": "Failure", "message": "no"}'
    assert final_message("v4.base64.channel.k8s.io", {"status": "Success"}) == b'{"status": "Success"}'
    assert final_message("channel.k8s.io", failed) == b"no"
    assert final_message("", {"status": "Success"}) is None


def test_ports_are_numbers_from_1_to_65535() -> None:
    assert ports_of(["80,81", "443"]) == [80, 81, 443]
    for wrong in ([], [""], ["0"], ["-1"], ["65536"], ["http"], ["80,"], [",".join(["1"] * 65)]):
        with pytest.raises(StatusError) as refused:
            ports_of(wrong)
        assert refused.value.code == 400
