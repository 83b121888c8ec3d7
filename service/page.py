"""What every list answers."""

from typing import Generic, TypeVar

import msgspec

from service.errors import BadInput

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Items, and the cursor that fetches the next ones; None: there are no more."""

    items: list[T]
    next: str | None = None


def before(cursor: str) -> int:
    """The id that the page after this cursor begins below, in lists by falling id.

    >>> before("12")
    12
    """
    try:
        return int(cursor)
    except ValueError as error:
        hint = "take `next` of the page before"
        raise BadInput("this is no cursor of this list", path="cursor", hint=hint) from error
