"""PolicyProgram: the expressions of one policy, compiled; `evaluate` gives a decision for each validation. Runs in threads.

Variables are evaluated when something names them, once.
Source: k8s.io/apiserver pkg/admission/plugin/policy/validating/validator.go
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.api.admission.dynamic.expressions import compiled, evaluated
from master.api.admission.dynamic.variables import environment
from master.api.cel.cost import Budget
from master.api.cel.environment import Program
from master.api.cel.errors import EvaluationError
from master.api.cel.types import DYN, Type
from master.api.cel.values import Lazy

#: Kubernetes' MaxEvaluatedMessageExpressionSizeBytes.
_LONGEST_MESSAGE = 5 * 1024
_LONGEST_ANNOTATION = 10 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """A validation that did not pass. `is_error`: it could not be evaluated. `index`: which one."""

    index: int
    message: str
    reason: str = "Invalid"
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`annotations` with their values; `errors`: of annotations that have none."""

    decisions: Sequence[Decision]
    annotations: Mapping[str, str]
    errors: Sequence[str]


class PolicyProgram:
    def __init__(self, spec: Mapping[str, Any], types: Mapping[str, Type] | None = None) -> None:
        """`types`: of variables that are known better than `variables.environment` knows them (for type checking)."""
        has_params = spec.get("paramKind") is not None
        known: dict[str, Type] = dict(types or {})
        #: What is wrong, by the place of the expression; for creation and type checking.
        self.problems: list[tuple[str, str, str]] = []
        self._variables: list[tuple[str, str, Program | str]] = []
        for index, variable in enumerate(spec.get("variables") or ()):
            source, name = variable["expression"], f"variables.{variable['name']}"
            program = compiled(environment(has_params=has_params, variables=known), source)
            self._note(f"spec.variables[{index}].expression", source, program)
            self._variables.append((name, source, program))
            known[name] = DYN if isinstance(program, str) else program.type
        with_all = environment(has_params=has_params, variables=known)
        self._validations: list[tuple[Mapping[str, Any], Program | str, Program | str | None]] = []
        for index, validation in enumerate(spec.get("validations") or ()):
            source, message = validation["expression"], (validation.get("messageExpression") or "").strip()
            program = compiled(with_all, source)
            self._note(f"spec.validations[{index}].expression", source, program, "bool")
            message_program = compiled(with_all, message) if message else None
            if message_program is not None:
                self._note(f"spec.validations[{index}].messageExpression", message, message_program, "string")
            self._validations.append((validation, program, message_program))
        self._annotations: list[tuple[Mapping[str, Any], Program | str]] = []
        for index, annotation in enumerate(spec.get("auditAnnotations") or ()):
            source = annotation["valueExpression"]
            program = compiled(with_all, source)
            self._note(f"spec.auditAnnotations[{index}].valueExpression", source, program, "string", "null")
            self._annotations.append((annotation, program))

    def _note(self, place: str, source: str, program: Program | str, *kinds: str) -> None:
        if isinstance(program, str):
            self.problems.append((place, source, program))
        elif kinds and program.type.kind not in (*kinds, "dyn", "error"):
            shown = " ".join("null_type" if kind == "null" else kind for kind in kinds)
            wanted = f"must evaluate to {shown}" if len(kinds) == 1 else f"must evaluate to one of [{shown}]"
            self.problems.append((place, source, wanted))

    def evaluate(self, activation: dict[str, Any]) -> Evaluation:
        """`activation`: without the policy's variables; it is changed."""
        budget = Budget()
        for name, source, program in self._variables:
            activation[name] = Lazy(_variable(name, source, program, activation, budget))
        decisions = [
            decision
            for index, (validation, program, message) in enumerate(self._validations)
            if (decision := _decided(index, validation, program, message, activation, budget)) is not None
        ]
        annotations: dict[str, str] = {}
        errors: list[str] = []
        for annotation, program in self._annotations:
            source = annotation["valueExpression"]
            outcome = evaluated(source, program, activation, budget)
            if outcome.error:
                errors.append(outcome.error)
            elif isinstance(outcome.value, str):
                if value := outcome.value.strip():
                    annotations[annotation["key"]] = value[:_LONGEST_ANNOTATION]
            elif outcome.value is not None:
                errors.append(
                    f"valueExpression '{source}' resulted in unsupported return type: "
                    f"{type(outcome.value).__name__}. Return type must be either string or null."
                )
        return Evaluation(decisions, annotations, errors)


def _variable(name: str, source: str, program: Program | str, activation: dict[str, Any], budget: Budget) -> Any:
    short = name.removeprefix("variables.")

    def value() -> Any:
        if isinstance(program, str):
            raise EvaluationError(f'composited variable "{short}" fails to compile: {program}')
        try:
            return program.evaluate(activation, budget)
        except EvaluationError as error:
            raise EvaluationError(f'composited variable "{short}" fails to evaluate: {error}') from error

    return value


def _decided(
    index: int,
    validation: Mapping[str, Any],
    program: Program | str,
    message_program: Program | str | None,
    activation: Mapping[str, Any],
    budget: Budget,
) -> Decision | None:
    """None when it passes."""
    source = validation["expression"]
    outcome = evaluated(source, program, activation, budget)
    if outcome.error:
        return Decision(index, outcome.error, is_error=True)
    if outcome.value is True:
        return None
    message = ""
    if message_program is not None:
        made = evaluated(validation["messageExpression"].strip(), message_program, activation, budget)
        if not made.error and isinstance(made.value, str):
            message = made.value.strip()
        if len(message.encode()) > _LONGEST_MESSAGE or "\n" in message:
            message = ""
    message = message or (validation.get("message") or "").strip() or f"failed expression: {source.strip()}"
    return Decision(index, message, validation.get("reason") or "Invalid")
