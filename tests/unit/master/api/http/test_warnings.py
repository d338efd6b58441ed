"""Warning headers."""

from master.api.http.warnings import Warnings


def test_warnings_come_once_in_their_order_and_quoted() -> None:
    warnings = Warnings()
    for text in ("would violate\nPodSecurity", 'field "a" is old', "would violate PodSecurity", ""):
        warnings.add(text)
    assert warnings.headers() == ['299 - "would violate PodSecurity"', '299 - "field \\"a\\" is old"']


def test_many_long_warnings_are_cut() -> None:
    warnings = Warnings()
    for number in range(1000):
        warnings.add(f"{number} " + "x" * 1000)
    headers = warnings.headers()
    assert len(headers) <= 5
    assert all(len(header) < 300 for header in headers)


def test_a_few_long_warnings_stay_whole() -> None:
    warnings = Warnings()
    warnings.add("x" * 3000)
    assert len(warnings.headers()[0]) > 3000


def test_a_warning_with_control_characters_is_one_line_of_text() -> None:
    warnings = Warnings()
    warnings.add('unknown field "a\x00\x1b[31m\x7f\x85b"')
    assert warnings.headers() == ['299 - "unknown field \\"a [31m b\\""']
