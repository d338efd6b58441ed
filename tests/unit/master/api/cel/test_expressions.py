"""CEL by examples: values, Kubernetes' libraries, and errors in cel-go's words. Sources: cel-spec, Kubernetes' page on CEL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.cel.cost import Budget
from master.api.cel.environment import Environment
from master.api.cel.errors import CompileError, EvaluationError
from master.api.cel.types import DYN, INT, STRING, Field, list_of, map_of, object_type, optional_of
from master.api.cel.values import ABSENT, Present

_OBJECT = object_type("Object", {"replicas": Field(INT, "replicas"), "__namespace__": Field(STRING, "namespace")})
_ENVIRONMENT = Environment(
    {
        "x": DYN, "l": list_of(INT), "m": map_of(STRING, INT), "s": STRING, "o": _OBJECT, "names": list_of(STRING),
        "old": optional_of(INT), "missing": INT,
    }
)  # fmt: skip
_VALUES: dict[str, Any] = {
    "x": {"a": 1, "f": 1.5, "n": None},
    "l": [1, 2, 3],
    "m": {"k": 1},
    "s": "héllo",
    "o": {"namespace": "n"},
    "names": ["b", "a"],
    "old": ABSENT,
}


def value(source: str) -> Any:
    return _ENVIRONMENT.compile(source).evaluate(_VALUES, Budget())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2 % 3", 5),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7.0 / 2.0", 3.5),
        ("1u + 2u == 3u", True),
        ("0x10 + 1", 17),
        ("-9223372036854775808 < 0", True),
        ("'a' + \"b\" + r'\\n' + '''c'''", "ab\\nc"),
        ("'\\u00e9\\x41\\101\\n'", "éAA\n"),
        ("b'\\xff' + b'a'", b"\xffa"),
        ("s.size() == 5 && size(l) == 3 && size(m) == 1", True),
        ("1 < 2 && 2u < 3u && 1 < 1.5 && 2.5 > 2u && 'a' < 'b' && false < true", True),
        ("dyn(1) == 1.0 && dyn(1u) == 1 && dyn('1') != 1 && dyn(true) != 1", True),
        ("[1, 2] == [1, 2] && {'a': 1} == {'a': 1} && [1] != [2]", True),
        ("x.n == null", True),
        ("1 in l && !(9 in l) && 'k' in m && !('z' in m)", True),
        ("l[0] + l[2]", 4),
        ("m['k'] + m.k", 2),
        ("true ? 1 : 2", 1),
        ("l[9] == 1 || true", True),
        ("!(l[9] == 1 && false)", True),
        ("has(x.a) && !has(x.z) && !has(o.replicas) && has(o.__namespace__)", True),
        ("o.__namespace__", "n"),
        ("l.all(i, i > 0) && l.exists(i, i == 2) && l.exists_one(i, i == 2) && !l.exists_one(i, i > 1)", True),
        ("l.exists(i, i / (i - 1) > 0)", True),
        ("l.map(i, i * 2) + l.map(i, i > 1, i) + l.filter(i, i < 2)", [2, 4, 6, 2, 3, 1]),
        ("m.all(k, k == 'k') && l.map(i, l.map(j, i * j).sum()).sum() == 36", True),
        ("l.all(i, v, v == i + 1) && m.exists(k, v, k == 'k' && v == 1) && l.existsOne(i, v, v == 1)", True),
        ("l.transformList(i, v, i > 0, v * 10)", [20, 30]),
        ("m.transformMap(k, v, v + 1)", {"k": 2}),
        ("l.transformMapEntry(i, v, {string(v): i})", {"1": 0, "2": 1, "3": 2}),
        ("x.?z.orValue(3) + l[?0].orValue(0) + l[?7].orValue(10)", 14),
        ("x.?z.y.hasValue()", False),
        ("old.optMap(v, v + 1).orValue(5)", 5),
        ("optional.of(1).or(optional.none()).value()", 1),
        ("optional.of(2).optFlatMap(v, optional.of(v * 2))", Present(4)),
        ("optional.ofNonZeroValue('')", ABSENT),
        ("[?old, 1]", [1]),
        ("{?'a': old, 'b': 1}", {"b": 1}),
        ("int('12') + int(3.9) + int(2u) + int(timestamp('1970-01-01T00:01:00Z'))", 77),
        ("string(1) + string(true) + string(2.0) + string(1.5) + string(duration('90m'))", "1true21.55400s"),
        ("double('1e3') + double(1)", 1001.0),
        (
            "[1.5, 100000.0, 1000000.0, 1.25e-5, 0.0001, 1e21, 0.0].map(x, string(x)).join(' ')",
            "1.5 100000 1e+06 1.25e-05 0.0001 1e+21 0",
        ),
        ("int(duration('2s'))", 2_000_000_000),
        ("[7, 8][dyn(1.0)] + {1: 5}[dyn(1u)]", 13),
        ("type(1) == int && type('') == string && type(l) == list && type(type(1)) == type", True),
        ("timestamp('2024-02-29T23:59:59Z').getDayOfYear()", 59),
        ("timestamp('2024-02-29T23:59:59Z').getHours('+02:00')", 1),
        ("timestamp('2024-01-01T00:00:00Z') + duration('24h')", datetime(2024, 1, 2, tzinfo=UTC)),
        ("timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')", True),
        ("duration('1h30m') > duration('89m59.9s') && duration('-1.5s').getMilliseconds() == -1500", True),
        ("'hello'.charAt(4) + 'hello'.substring(1, 3) + ' x '.trim() + 'aBc'.upperAscii()", "oelxABC"),
        ("'a,b,c'.split(',', 2) == ['a', 'b,c'] && ['a', 'b'].join('-') == 'a-b'", True),
        ("'banana'.indexOf('an', 2) + 'banana'.lastIndexOf('an')", 6),
        ("'banana'.replace('a', 'o', 2)", "bonona"),
        ("'%s %s %s'.format([1e21, [1, 2.5], {'b': null, 'a': true}])", "1000000000000000000000 [1, 2.5] {a: true, b: null}"),
        ("'%s is %d, %.2f, %x, %b, %%'.format(['a', 5, 1.5, 255, 5])", "a is 5, 1.50, ff, 101, %"),
        ("strings.quote('a\"b')", '"a\\"b"'),
        ("names.isSorted() == false && names.min() == 'a' && l.max() == 3 && l.indexOf(2) == 1 && l.sum() == 6", True),
        ("sets.contains(l, [1]) && sets.equivalent([1, 1, 2], [2, 1]) && !sets.intersects(l, [9])", True),
        ("'abc 123'.find('[0-9]+') == '123' && 'a1b22'.findAll('[0-9]+', 1) == ['1'] && s.matches('^h.l*o$')", True),
        ("isURL('https://a') && !isURL('../a') && url('https://a:80/b?c=1&c=2').getQuery()['c'] == ['1', '2']", True),
        ("url('https://[::1]:80/a%20b').getHostname() + url('http://h:8/p').getHost()", "::1h:8"),
        ("quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1.5').add(1).compareTo(quantity('2500m')) == 0", True),
        (
            "!isQuantity('x') && quantity('5').asInteger() == 5 && !quantity('5m').isInteger() && sign(quantity('-1')) == -1",
            True,
        ),
        ("ip('::1').isLoopback() && ip('10.0.0.1').family() == 4 && !isIP('1.2.3') && !isIP('::ffff:1.2.3.4')", True),
        ("ip.isCanonical('::1') && !ip.isCanonical('0:0::1')", True),
        ("cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && string(cidr('10.0.0.0/8').ip()) == '10.0.0.0'", True),
        ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')", True),
        ("isCIDR('::/0') && !isCIDR('::/129') && cidr('::/64').prefixLength() == 64", True),
        ("format.dns1123Label().validate('ok').hasValue()", False),
        ("format.named('uuid').value().validate('x').value()[0]", "does not match the UUID format"),
        ("semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('v01.2', true).minor() == 2 && !isSemver('1.2')", True),
        ("l.map(i, {'a': i})[0].a", 1),
    ],
)
def test_expression_has_value(source: str, expected: Any) -> None:
    found = value(source)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / (l[0] - 1)", "division by zero"),
        ("l[0] % 0", "modulus by zero"),
        ("l[3]", "index out of bounds: 3"),
        ("m.zz", "no such key: zz"),
        ("o.replicas", "no such key: replicas"),
        ("9223372036854775807 + l[0]", "integer overflow"),
        ("x.a + x.f", "no such overload"),
        ("x ? 1 : 2", "no such overload"),
        ("missing + 1", "no such attribute(s): missing"),
        ("int('a')", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("old.value()", "optional.none() dereference"),
        ("[0].filter(i, false).max()", "max called on empty list"),
        ("quantity('x')", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ],
)
def test_error_of_an_evaluation(source: str, message: str) -> None:
    with pytest.raises(EvaluationError) as raised:
        value(source)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("o.nope", "ERROR: <input>:1:2: undefined field 'nope'\n | o.nope\n | .^"),
        ("self.x", "ERROR: <input>:1:1: undeclared reference to 'self' (in container '')\n | self.x\n | ^"),
        ("foo(1)", "ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^"),
        (
            "1 == 's'",
            "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'\n | 1 == 's'\n | ..^",
        ),
        ("s.contains(1)", "found no matching overload for 'contains' applied to 'string.(int)'"),
        ("s.x", "type 'string' does not support field selection"),
        ("l.all(i, i)", "expected type 'bool' but found 'int'"),
        ("s.all(i, true)", "expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)"),
        ("[1, 'a']", "expected type 'int' but found 'string'"),
        ("has(x)", "invalid argument to has() macro"),
        ("l.map(1, 2)", "argument must be a simple name"),
        ("if", "reserved identifier: if"),
        ("1 +", "Syntax error: mismatched input '<EOF>'"),
        ("(1", "Syntax error: mismatched input '<EOF>' expecting ')'"),
        ("'abc", "Syntax error: token recognition error at"),
        ("1 § 2", "Syntax error: token recognition error at: '§'"),
        ("9223372036854775808", "invalid int literal"),
        ("s.matches('(')", "invalid matches argument"),
        ("duration('1 hour')", "invalid duration argument"),
        ("Object{a: 1}", "undeclared reference to 'Object'"),
        ("(" * 500 + "1" + ")" * 500, "expression recursion limit exceeded"),
        ("+".join(["1"] * 5000), "expression recursion limit exceeded"),
        ("-" * 10, "Syntax error"),
        ("", "Syntax error"),
    ],
)
def test_error_of_a_compilation(source: str, message: str) -> None:
    with pytest.raises(CompileError) as raised:
        _ENVIRONMENT.compile(source)
    assert message in str(raised.value)


def test_all_errors_are_listed_in_the_order_of_their_places() -> None:
    with pytest.raises(CompileError) as raised:
        _ENVIRONMENT.compile("o.a &&\n o.b")
    assert [(issue.position, issue.message) for issue in raised.value.issues] == [
        (1, "undefined field 'a'"),
        (9, "undefined field 'b'"),
    ]
    assert "<input>:2:3: undefined field 'b'\n |  o.b\n | ..^" in str(raised.value)


def test_program_tells_which_variables_it_uses() -> None:
    assert _ENVIRONMENT.compile("l.all(i, i > 0 && has(o.replicas))").uses == {"l", "o"}
