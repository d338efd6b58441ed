"""Compiles the rules of one part of a schema. A definition with a rule that does not compile is refused."""

from dataclasses import dataclass

from master.api.cel.environment import Environment, Program
from master.api.cel.errors import CompileError
from master.api.cel.schema_types import Convert, converter, type_of_schema
from master.api.cel.types import BOOL, STRING, Type, optional_of
from master.api.custom_resources.rules.field_path import InvalidFieldPath, resolve
from master.api.custom_resources.structural.schema import Json


class RuleError(ValueError):
    """A rule that cannot be used. `part`: "rule" or "messageExpression"."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `field_path`: where its error is, below the part that has the rule."""

    source: str
    message: str
    program: Program
    message_program: Program | None
    uses_old: bool
    optional_old: bool
    reason: str
    field_path: str

    @property
    def shown(self) -> str:
        """How errors name the rule."""
        return self.message or self.source


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one part, and how its JSON becomes CEL's value."""

    rules: tuple[Rule, ...]
    convert: Convert | None


def compile_rules(schema: Json, *, is_root: bool) -> Rules:
    """Raises RuleError for the first rule that is wrong."""
    found = type_of_schema(schema, is_root=is_root)
    if found is None:
        raise RuleError("rule", "failed to retrieve type information for x-kubernetes-validations")
    return Rules(tuple(compile_rule(rule, schema, found) for rule in schema["x-kubernetes-validations"]), converter(schema))


def compile_rule(rule: Json, schema: Json, self_type: Type) -> Rule:
    """Raises RuleError."""
    optional_old = rule.get("optionalOldSelf") is True
    environment = Environment({"self": self_type, "oldSelf": optional_of(self_type) if optional_old else self_type})
    try:
        program = environment.compile(rule["rule"])
    except CompileError as error:
        raise RuleError("rule", f"compilation failed: {error}") from error
    if program.type != BOOL:
        raise RuleError("rule", "cel expression must evaluate to a bool")
    message_program = None
    if rule.get("messageExpression"):
        try:
            message_program = environment.compile(rule["messageExpression"])
        except CompileError as error:
            raise RuleError("messageExpression", f"messageExpression compilation failed: {error}") from error
        if message_program.type != STRING:
            raise RuleError("messageExpression", "messageExpression must evaluate to a string")
    field_path = ""
    if rule.get("fieldPath"):
        try:
            field_path = resolve(rule["fieldPath"], schema)[0]
        except InvalidFieldPath:
            pass  # the definition's validation says so; a stored one keeps the part's own path
    return Rule(
        source=rule["rule"].strip(),
        message=(rule.get("message") or "").strip(),
        program=program,
        message_program=message_program,
        uses_old="oldSelf" in program.uses,
        optional_old=optional_old,
        reason=rule.get("reason") or "FieldValueInvalid",
        field_path=field_path,
    )
