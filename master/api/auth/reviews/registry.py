"""Finds every review that is declared in this folder; the only list of reviews there is."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

import master.api.auth.reviews
from master.api.auth.reviews.review import Review
from master.api.kinds.kind import Kind

#: Files of this folder that declare no review.
_MACHINERY = frozenset({"review", "registry", "access"})


class Reviews:
    """Reviews by the path that they are created at. Immutable."""

    def __init__(self, reviews: Iterable[Review]) -> None:
        """Raises ValueError for two that share a path."""
        self._by_path: dict[tuple[str, str, str, str], Review] = {}
        for review in reviews:
            kind = review.kind
            path = (kind.group, kind.version, kind.plural, "")
            if review.subresource_of is not None:
                path = (*review.subresource_of, kind.plural)
            if path in self._by_path:
                raise ValueError(f"the review {kind.kind} is declared twice")
            self._by_path[path] = review

    def get(self, group: str, version: str, plural: str, subresource: str) -> Review | None:
        return self._by_path.get((group, version, plural, subresource))

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of those with a path of their own, for discovery and OpenAPI."""
        return [review.kind for review in self._by_path.values() if review.subresource_of is None]

    @property
    def definitions(self) -> list[str]:
        """The schemas of all bodies."""
        return [review.kind.definition for review in self._by_path.values()]


def _declared() -> Iterable[Review]:
    for module in iter_modules(master.api.auth.reviews.__path__, "master.api.auth.reviews."):
        if module.name.rpartition(".")[2] in _MACHINERY:
            continue
        review = getattr(import_module(module.name), "REVIEW", None)
        if not isinstance(review, Review):
            raise TypeError(f"{module.name} declares no REVIEW")
        yield review


REVIEWS = Reviews(_declared())
