"""Which form of answer an Accept header asks for."""

import pytest

from master.api.http.negotiation import Accepted, accepted
from master.client.errors import StatusError

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json", Accepted()),
        ("application/vnd.kubernetes.protobuf,application/json", Accepted()),
        (TABLE, Accepted(form="Table")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Accepted(form="Table", version="v1beta1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Accepted()),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Accepted(form="PartialObjectMetadataList")),
        ("application/yaml", Accepted(yaml=True)),
        ("application/json;q=0.1, application/yaml;q=0.9", Accepted(yaml=True)),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Accepted()),
    ],
)
def test_the_best_form_that_is_served_is_chosen(header: str, expected: Accepted) -> None:
    assert accepted(header) == expected


@pytest.mark.parametrize("header", ["application/vnd.kubernetes.protobuf", "text/html", "application/json;q=0"])
def test_a_client_that_takes_none_of_them_gets_406(header: str) -> None:
    with pytest.raises(StatusError) as caught:
        accepted(header)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")
