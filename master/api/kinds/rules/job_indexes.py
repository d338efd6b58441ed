"""Sets of a Job's indexes as text, "0-2,5" (validateIndexesFormat)."""


class InvalidIndexes(ValueError):
    """Text that is no increasing list of indexes below the number of completions."""


def count_indexes(text: str, completions: int) -> int:
    """How many indexes it lists. Raises InvalidIndexes."""
    return sum(last - first + 1 for first, last in _increasing(text, completions))


def overlap(one: str, other: str, completions: int) -> int | None:
    """The first index that both list; what is malformed is left out."""
    theirs = _parsed(other, completions)
    common = (
        max(first, begin)
        for first, last in _parsed(one, completions)
        for begin, end in theirs
        if first <= end and begin <= last
    )
    return min(common, default=None)


def _increasing(text: str, completions: int) -> list[tuple[int, int]]:
    intervals: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        first, last = _interval(part, completions)
        if intervals and intervals[-1][1] >= first:
            raise InvalidIndexes(f"non-increasing order, previous: {intervals[-1][1]}, current: {first}")
        intervals.append((first, last))
    return intervals


def _parsed(text: str, completions: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        try:
            found.append(_interval(part, completions))
        except InvalidIndexes:
            continue
    return found


def _interval(text: str, completions: int) -> tuple[int, int]:
    ends = text.split("-")
    if len(ends) > 2:
        raise InvalidIndexes(
            f'the fragment "{text}" violates the requirement that an index interval can have at most two parts separated by '
            "'-'"
        )
    first = _index(ends[0], completions)
    if len(ends) == 1:
        return first, first
    last = _index(ends[1], completions)
    if first >= last:
        raise InvalidIndexes(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.removeprefix("+").isdigit() and len(text) < 19):
        raise InvalidIndexes(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise InvalidIndexes(f'too large index: "{text}"')
    return int(text)
