"""The estimated costs of rules are Kubernetes' own (TestCostEstimation of k8s.io/apiextensions-apiserver)."""

from typing import Any

import pytest

from master.api.cel.environment import Environment
from master.api.cel.estimate import Estimator
from master.api.cel.schema_sizes import size_of_schema
from master.api.cel.schema_types import type_of_schema

Json = dict[str, Any]
TEXT = {"type": "string"}
ANY = {"x-kubernetes-int-or-string": True}


def array(**items: Any) -> Json:
    return {"type": "array", "items": items}


def mapping(**values: Any) -> Json:
    return {"type": "object", "additionalProperties": values}


def cost(schema: Json, rule: str) -> int:
    found, sized = type_of_schema(schema), size_of_schema(schema)
    assert found is not None
    assert sized is not None
    return Estimator(sized).cost(Environment({"self": found}).compile(rule).tree)


OBJECT = {"type": "object", "required": ["required"], "properties": {"required": TEXT, "optional": TEXT}}


@pytest.mark.parametrize(
    ("schema", "rule", "expected", "limit", "bounded"),
    [
        (array(type="number"), "self.all(x, true)", 4718591, 10, 32),
        (array(**TEXT), "self.all(x, true)", 3145727, 20, 62),
        (array(type="boolean"), "self.all(x, true)", 1887437, 5, 17),
        (array(**array(type="number")), "self.all(x, true)", 3145727, 100, 302),
        (array(**OBJECT), "self.all(x, true)", 555128, 50, 152),
        (mapping(type="number"), "self.all(x, true)", 1348169, 10, 32),
        (mapping(type="number"), "has(self.x)", 0, 100, 0),
        (mapping(**TEXT), "self.all(x, true)", 1179647, 3, 11),
        (mapping(type="boolean"), "self.all(x, true)", 943718, 100, 302),
        (TEXT, "self.contains('test')", 314574, 10, 5),
        (TEXT, "self.startsWith('test')", 2, 15, 2),
        (TEXT, "self.endsWith('test')", 2, 30, 2),
        (TEXT, "size(self + 'hello') > size('hello')", 314578, 4, 7),
        (array(type="number"), "self[1] == 0.0", 2, 5000, 2),
        (array(**TEXT), "self[1] == self[1]", 314577, 8, 314577),
        (array(type="number"), "self.all(x, self.all(y, self.all(z, true)))", 11671106481625792511, 10, 3552),
        (TEXT, 'self.matches("x")', 314574, 50, 22),
        (TEXT, '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7),
        (TEXT, 'self.matches("")', 1, 100, 1),
        (mapping(**TEXT), "self.all(x, x.contains(self[x]))", 2752507, 10, 72),
        (mapping(type="number"), 'self["x"] == 0.0', 2, 0, 2),
        (TEXT, 'self == "x"', 2, 0, 1),
        ({"type": "string", "format": "byte"}, 'self == b"x"', 2, 0, 1),
        (array(type="number"), "self.all(x, x == 0.0)", 6291454, 6291456, 25165826),
        (array(**ANY), "self.all(x, true)", 4718591, 10, 32),
        (array(**ANY), "self[0] == 5", 3, 10, 3),
        (array(**OBJECT), "self[0] == null", 2, 422, 2),
        (array(**mapping(type="number")), "self.all(x, x.y == 25.2)", 6291452, 12, 74),
        (array(**mapping(type="number")), "self[0].x > 2.0", 4, 3000, 4),
        (array(type="string", format="duration"), "self.all(x, true)", 2359295, 5, 17),
        (array(type="string", format="duration"), "self[0].getHours() == 2", 4, 525, 4),
        (array(type="string", format="date"), "self.all(x, true)", 725936, 15, 47),
        (array(type="string", format="date-time"), "self.all(x, true)", 428963, 25, 77),
    ],
)
def test_cost_without_and_with_a_limit(schema: Json, rule: str, expected: int, limit: int, bounded: int) -> None:
    assert min(cost(schema, rule), 11671106481625792511) == expected
    name = {"array": "maxItems", "object": "maxProperties"}.get(schema.get("type", ""), "maxLength")
    assert cost({**schema, name: limit}, rule) == bounded


def test_everything_that_can_be_written_has_an_estimate() -> None:
    schema = {
        "type": "object",
        "properties": {
            "l": {**array(type="string", maxLength=5), "maxItems": 5},
            "m": {**mapping(type="integer"), "maxProperties": 5},
            "s": {"type": "string", "maxLength": 20},
        },
    }
    for rule in (
        "self.l.map(x, x + 'a').exists_one(x, x == 'b') && self.l.filter(x, x != '').size() > 1",
        "self.l.transformList(i, x, i > 0, x).all(x, x.size() > 0) || self.m.transformMap(k, v, v + 1)['a'] == 1",
        "self.m.transformMapEntry(k, v, {k: v}).all(k, v, v > 0) ? self.?s.orValue('') == '' : self.l[?0].hasValue()",
        "self.s.split(',').join('-').replace('a', 'b').lowerAscii().find('[a-z]+') == 'x' && sets.contains(self.l, ['a'])",
        "ip(self.s).family() == 4 || cidr(self.s).containsIP(self.s) || quantity(self.s).isLessThan(quantity('1'))",
        "self.l.isSorted() && self.l.max() == 'a' && optional.of(self.s).optMap(x, x + x).orValue('') in self.l",
        "!format.dns1123Label().validate(self.s).hasValue() && url(self.s).getHost() == '' && string(self.m.a) == '1'",
    ):
        assert 0 < cost(schema, rule) < 100_000
