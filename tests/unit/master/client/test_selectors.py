"""Label and field selectors, in their string forms and typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.meta_v1 import LabelSelector, LabelSelectorRequirement

from master.client.selectors import (
    EVERYTHING,
    InvalidSelector,
    format_fields,
    format_labels,
    of_map,
    of_model,
    parse_fields,
    parse_labels,
)

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/x": ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "app=web",
        "app==web",
        " app = web , tier=front",
        "app!=db",
        "absent!=db",
        "app in (web,db)",
        "app in ( web , db ),tier",
        "tier notin (back)",
        "absent notin (back)",
        "app",
        "!absent",
        "! absent,app",
        "example.com/x",
        "example.com/x=",
        "example.com/x in ()",
        "example.com/x in (,web)",
        "n>4",
        "n<6,n>0",
    ],
)
def test_these_select_the_object(text: str) -> None:
    assert parse_labels(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "app=db",
        "app!=web",
        "absent=",
        "absent",
        "!app",
        "app in (db)",
        "app notin (web)",
        "n>5",
        "n<5",
        "app>1",
        "app=web,tier=x",
    ],
)
def test_these_do_not(text: str) -> None:
    assert not parse_labels(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    ["a=b=c", "a,,b", ",a", "a,", "a in b", "a in (b", "a b", "a in (b c)", "=b", "!", "a/b/c", "-a", "a=-b", "a>x", "a=(b)"],
)
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidSelector):
        parse_labels(text)


def test_the_refusal_says_what_was_found() -> None:
    with pytest.raises(InvalidSelector) as caught:
        parse_labels("a=b=c")
    assert str(caught.value) == "unable to parse requirement: found '=', expected: ',' or 'end of string'"


NAME = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(NAME, NAME | st.just(""), max_size=4))
def test_a_map_in_string_form_means_the_map(labels: dict[str, str]) -> None:
    assert parse_labels(format_labels(labels)).matches(labels)
    assert set(parse_labels(format_labels(labels)).requirements) == set(of_map(labels).requirements)


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_labels, parse_fields):
        try:
            parse(text)
        except InvalidSelector:
            pass


def test_an_absent_label_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not of_model(None).matches({})
    assert of_model(LabelSelector()).matches({"a": "b"})
    assert not EVERYTHING
    assert of_model(None)


def test_a_typed_selector_takes_labels_and_expressions_together() -> None:
    selector = of_model(
        LabelSelector(
            matchLabels={"app": "web"},
            matchExpressions=[
                LabelSelectorRequirement(key="tier", operator="NotIn", values=["back"]),
                LabelSelectorRequirement(key="app", operator="Exists"),
            ],
        )
    )
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "tier": "back"})
    with pytest.raises(InvalidSelector, match="is not a valid label selector operator"):
        of_model(LabelSelector(matchExpressions=[LabelSelectorRequirement(key="a", operator="Like", values=["b"])]))


def test_field_selectors_compare_and_unescape() -> None:
    fields = {"metadata.name": "a,b=c", "status.phase": "Running"}
    for text, expected in (
        (r"metadata.name=a\,b\=c", True),
        ("status.phase!=Failed,status.phase==Running", True),
        ("status.phase=Failed", False),
        ("spec.nodeName=", True),
        ("", True),
    ):
        assert parse_fields(text).matches(lambda path: fields.get(path, "")) is expected, text
    with pytest.raises(InvalidSelector):
        parse_fields("metadata.name")


@given(st.dictionaries(NAME, st.text(max_size=10), max_size=3))
def test_fields_in_string_form_mean_the_fields(fields: dict[str, str]) -> None:
    parsed = parse_fields(format_fields(fields))
    assert {required.field: required.value for required in parsed.requirements} == fields
