"""OpenID Connect discovery of service account tokens: how others than this API check them. Called by `master.api.http`.

Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

from dataclasses import dataclass

from master.client.protocol import Json
from master.pki.service_account.keys import ServiceAccountKeys

CONFIGURATION_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/openid/v1/jwks"
PATHS = frozenset({CONFIGURATION_PATH, KEYS_PATH})


@dataclass(frozen=True, slots=True)
class OpenIdDiscovery:
    """`url`: where relying parties reach this API, https://host:port."""

    keys: ServiceAccountKeys
    issuer: str
    url: str

    def document(self, path: str) -> tuple[Json, str] | None:
        """The document at a path and its media type; None for another path."""
        if path == CONFIGURATION_PATH:
            return self._configuration(), "application/json"
        if path == KEYS_PATH:
            return self.keys.jwks(), "application/jwk-set+json"
        return None

    def _configuration(self) -> Json:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.url}{KEYS_PATH}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.keys.algorithms,
        }
