"""Names as a platform takes them. A name that does not fit becomes its letters and digits with a hash of itself: the
same in every export, and no other name's. Which stands for which is written where the format has a place for it."""

import hashlib
import re
from collections.abc import Mapping

HASH = 8  # hexadecimal digits of a name's hash


class Names:
    """One platform's names for one kind of thing. `fits` is what the platform takes, `limit` its longest name in
    characters; `reserved` are names that are the platform's own. No two differ by case alone: a name may be a folder.
    """

    def __init__(self, fits: re.Pattern[str], limit: int, reserved: Mapping[str, str] | None = None) -> None:
        self._fits, self._limit = fits, limit
        self._theirs = dict(reserved or {})
        self._taken = {name.casefold() for name in self._theirs.values()}

    def __getitem__(self, name: str) -> str:
        if name not in self._theirs:
            self._theirs[name] = self._free(name)
            self._taken.add(self._theirs[name].casefold())
        return self._theirs[name]

    def changed(self) -> dict[str, str]:
        """Ours by theirs, where they differ."""
        return {theirs: ours for ours, theirs in self._theirs.items() if ours != theirs}

    def values(self) -> list[str]:
        """All of theirs, in the order they were asked for."""
        return list(self._theirs.values())

    def _free(self, name: str) -> str:
        candidate, tries = name, 0
        while not self._takes(candidate):
            candidate, tries = hashed(name, self._limit, "#" * tries), tries + 1
        return candidate

    def _takes(self, name: str) -> bool:
        is_fitting = len(name) <= self._limit and self._fits.fullmatch(name) is not None
        return is_fitting and name.casefold() not in self._taken


def hashed(name: str, limit: int, salt: str = "") -> str:
    """
    >>> hashed("Where's my order?", 50)
    'Where_s_my_order_62f9eb14'
    """
    digest = hashlib.sha256((name + salt).encode()).hexdigest()[:HASH]
    words = re.sub("[^0-9A-Za-z]+", "_", name)[: limit - HASH - 1].strip("_")
    return f"{words}_{digest}" if words else digest
