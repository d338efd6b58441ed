"""Security contexts of pods and containers: profiles that cannot be are refused with Kubernetes' words."""

from typing import Any

import pytest

from master.api.kinds.pod_spec.security import validate_container_security, validate_pod_security

Json = dict[str, Any]
MUST = "Required value: must be set when AppArmor type is Localhost"


@pytest.mark.parametrize(
    ("profile", "field", "message"),
    [
        ({}, "type", "Required value: type is required when appArmorProfile is set"),
        ({"type": "No"}, "type", 'Unsupported value: "No": supported values: "Localhost", "RuntimeDefault", "Unconfined"'),
        ({"type": "Localhost"}, "localhostProfile", MUST),
        ({"type": "Localhost", "localhostProfile": ""}, "localhostProfile", MUST),
        (
            {"type": "Localhost", "localhostProfile": " web"},
            "localhostProfile",
            'Invalid value: " web": must not be padded with whitespace',
        ),
        (
            {"type": "Localhost", "localhostProfile": "x" * 4096},
            "localhostProfile",
            "Too long: may not be more than 4095 bytes",
        ),
        (
            {"type": "RuntimeDefault", "localhostProfile": "web"},
            "localhostProfile",
            'Invalid value: "web": can only be set when AppArmor type is Localhost',
        ),
    ],
)
def test_an_app_armor_profile_that_cannot_be_is_refused(profile: Json, field: str, message: str) -> None:
    context = {"appArmorProfile": profile}
    (of_pod,) = validate_pod_security({"securityContext": context}, "spec")
    assert (of_pod.field, of_pod.message) == (f"spec.securityContext.appArmorProfile.{field}", message)
    (of_container,) = validate_container_security(context, "c")
    assert (of_container.field, of_container.message) == (f"c.appArmorProfile.{field}", message)


@pytest.mark.parametrize(
    "profile", [{"type": "Unconfined"}, {"type": "RuntimeDefault"}, {"type": "Localhost", "localhostProfile": "web"}]
)
def test_app_armor_profiles_of_each_type_are_taken(profile: Json) -> None:
    assert not validate_container_security({"appArmorProfile": profile}, "c")
