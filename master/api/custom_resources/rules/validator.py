"""Evaluates the rules of an object within one budget.

On an update a rule that names oldSelf (a transition rule) runs where there is an old value: objects correlate by key, lists of
type map by their keys. A rule that does not name it is skipped where nothing changed (ratcheting). A part without a value has
no rules to keep: what must be there is said by the part around it.
"""

from dataclasses import dataclass, field
from typing import Any

from master.api.cel.cost import Budget
from master.api.cel.errors import BudgetExceeded, EvaluationError
from master.api.cel.values import ABSENT, Present
from master.api.custom_resources.rules.compilation import Rule, RuleError, Rules, compile_rules
from master.api.custom_resources.structural.schema import (
    Json,
    additional_of,
    is_embedded,
    items_of,
    properties_of,
)
from master.api.custom_resources.structural.values import NOTHING, by_keys, key_of
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, keyed, required
from master.client.errors import Cause

#: The longest message that an expression may make, in bytes.
_MESSAGE_LIMIT = 5 * 1024
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class _Spent(Exception):
    """Nothing more is evaluated."""


@dataclass(slots=True)
class Validator:
    """The rules of a part of a schema and of all parts below; None of `make` where there are none."""

    schema: Json
    rules: Rules | None = None
    error: str = ""
    properties: "dict[str, Validator]" = field(default_factory=dict)
    items: "Validator | None" = None
    additional: "Validator | None" = None

    @classmethod
    def make(cls, schema: Json, *, is_root: bool = False) -> "Validator | None":
        """Compiles all rules of a schema that was accepted."""
        made = cls(schema)
        if schema.get("x-kubernetes-validations"):
            try:
                made.rules = compile_rules(schema, is_root=is_root or is_embedded(schema))
            except RuleError as error:
                made.error = f"rule compiler initialization error: {error}"
        for key, child in properties_of(schema).items():
            found = cls.make(child)
            if found is not None:
                made.properties[key] = found
        items, additional = items_of(schema), additional_of(schema)
        made.items = cls.make(items) if items is not None else None
        made.additional = cls.make(additional) if additional is not None else None
        has_any = made.rules or made.error or made.properties or made.items or made.additional
        return made if has_any else None

    def validate(self, value: Any, old: Any = NOTHING, *, path: str = "", budget: Budget | None = None) -> list[Cause]:
        """Every rule that does not hold."""
        causes: list[Cause] = []
        try:
            self._visit(value, old, path, budget or Budget(), causes)
        except _Spent:
            pass
        return causes

    def _visit(self, value: Any, old: Any, path: str, budget: Budget, causes: list[Cause]) -> None:
        if value is None:
            return
        if self.error:
            causes.append(invalid(path or "<nil>", self.schema.get("type"), self.error))
        elif self.rules is not None:
            self._evaluate(self.rules, value, old, path, budget, causes)
        if isinstance(value, dict):
            correlated = isinstance(old, dict)
            for key, item in value.items():
                below = self.properties.get(key)
                where = f"{path}.{key}" if path else key
                if below is None and self.additional is not None and key not in properties_of(self.schema):
                    below, where = self.additional, keyed(path, key)
                if below is not None:
                    below._visit(item, old.get(key, NOTHING) if correlated else NOTHING, where, budget, causes)
        elif isinstance(value, list) and self.items is not None:
            before = by_keys(old, self.schema)
            keys = self.schema.get("x-kubernetes-list-map-keys") or ()
            unchanged = old is not NOTHING and value == old
            for index, item in enumerate(value):
                found = before.get(key_of(item, keys), NOTHING) if before else NOTHING
                if found is NOTHING and unchanged:
                    continue  # nothing in it changed, and no transition rule applies
                self.items._visit(item, found, f"{path}[{index}]", budget, causes)

    def _evaluate(self, rules: Rules, value: Any, old: Any, path: str, budget: Budget, causes: list[Cause]) -> None:
        shown, where = self.schema.get("type"), path or "<nil>"
        unchanged = old is not NOTHING and value == old
        values: dict[str, Any] | None = None
        for rule in rules.rules:
            if budget.left <= 0:
                causes.append(invalid(where, shown, _OUT_OF_BUDGET))
                raise _Spent
            if unchanged and not rule.uses_old:
                continue
            if rule.uses_old and old in (NOTHING, None) and not rule.optional_old:
                continue
            try:
                if values is None:
                    values = _values(rules, value, old)
                if self._holds(rule, values, budget):
                    continue
            except BudgetExceeded:
                text = (
                    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call "
                )
                causes.append(invalid(where, shown, f"{text}cost exceeds limit for rule: {rule.shown}"))
                raise _Spent from None
            except EvaluationError as error:
                causes.append(invalid(where, shown, _evaluation_text(error, rule)))
                continue
            causes.append(self._broken(rule, value, values, path, budget))

    @staticmethod
    def _holds(rule: Rule, values: Json, budget: Budget) -> bool:
        return rule.program.evaluate(_for_rule(rule, values), budget) is True

    def _broken(self, rule: Rule, value: Any, values: Json, path: str, budget: Budget) -> Cause:
        """What a rule that does not hold says."""
        where = (
            ".".join(filter(None, (path, rule.field_path))) if not rule.field_path.startswith("[") else path + rule.field_path
        )
        where = where or "<nil>"
        detail = ""
        if rule.message_program is not None:
            try:
                detail = _message(rule.message_program.evaluate(_for_rule(rule, values), budget))
            except (EvaluationError, BudgetExceeded):
                detail = ""  # the rule's own message is told instead
        detail = detail or rule.message or f"failed rule: {rule.source}"
        shown = self.schema.get("type")
        match rule.reason:
            case "FieldValueForbidden":
                return forbidden(where, detail)
            case "FieldValueRequired":
                return required(where, detail)
            case "FieldValueDuplicate":
                return duplicate(where, shown)
        return invalid(where, shown, detail)


def _values(rules: Rules, value: Any, old: Any) -> Json:
    """The variables of a part's rules; without oldSelf where there is none."""
    convert = rules.convert or (lambda json: json)
    values = {"self": convert(value)}
    if old is not NOTHING and old is not None:
        values["oldSelf"] = convert(old)
    return values


def _for_rule(rule: Rule, values: Json) -> Json:
    if not rule.optional_old:
        return values
    return {"self": values["self"], "oldSelf": Present(values["oldSelf"]) if "oldSelf" in values else ABSENT}


def _evaluation_text(error: EvaluationError, rule: Rule) -> str:
    if str(error) == "no such overload":
        why = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'no such overload': {why}: {rule.shown}"
    return f"{error} evaluating rule: {rule.shown}"


def _message(text: Any) -> str:
    """What a messageExpression made, or "" when it may not be used."""
    if not isinstance(text, str):
        return ""
    text = text.strip()
    return "" if len(text.encode()) > _MESSAGE_LIMIT or "\n" in text else text
