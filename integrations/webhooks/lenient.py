"""Reading JSON of which a part may be bad: one bad value costs its field or its item, not the delivery."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from integrations.webhooks.loading import ROOT
from service.turns.parsing import Fault, check_characters, check_id, check_text
from service.turns.schemas import Note, Rejected

NAME = 200  # characters of an intent's or an entity type's name
MILLISECONDS = 100_000_000_000  # Unix seconds from here on are milliseconds: as seconds they are past the year 5000
TIMESTAMP = "an instant is RFC 3339 with a time zone, or Unix seconds or milliseconds"


def digest(*parts: str) -> str:
    """32 hex digits; the same parts, the same digits."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def rejected(index: int, fault: Fault) -> Rejected:
    return Rejected(index, fault.path, fault.detail, fault.type)


class Fields:
    """The fields of one JSON object.

    Identity and text are strict: they raise Fault. The rest is lenient: a bad value is dropped and noted.
    """

    def __init__(self, value: Any, path: str, index: int, notes: list[Note]) -> None:
        if not isinstance(value, dict):
            raise Fault("wrong-type", path or ROOT, f"expected an object, got {kind(value)}")
        self._value, self._path, self._index, self._notes = value, path, index, notes
        self._paths: Mapping[str, str] = {}

    def renamed(self, value: dict[str, Any], paths: Mapping[str, str]) -> "Fields":
        """What was found at the same place, by names of ours; `paths`: how the sender calls them."""
        found = Fields(value, self._path, self._index, self._notes)
        found._paths = paths
        return found

    def path(self, name: str) -> str:
        own, bracket, rest = name.partition("[")
        named = f"{self._paths.get(own, own)}{bracket}{rest}"
        return ".".join(part for part in (self._path, named) if part)

    def note(self, name: str, type: str, text: str) -> None:
        self._notes.append(Note(self._index, self.path(name), text, type))

    def get(self, name: str) -> Any:
        """None where it is missing."""
        return self._value.get(name)

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and values; a name is as the sender wrote it."""
        found: dict[str, Any] = self._value
        return found.items()

    # --- strict

    def string(self, name: str) -> str:
        match self._value.get(name):
            case str() as text:
                return text
            case None:
                raise Fault("missing", self.path(name), f"{name} is missing")
            case other:
                raise Fault("wrong-type", self.path(name), f"expected a string, got {kind(other)}")

    def id(self, name: str) -> str:
        text = self.string(name)
        check_id(text, self.path(name))
        return text

    def optional_id(self, name: str) -> str:
        """ "" where it is missing; one that is there is an id."""
        return self.id(name) if self._value.get(name) not in (None, "") else ""

    def name(self, name: str) -> str:
        """What an intent or a type of entity is called."""
        text = self.string(name)
        check_characters(text, self.path(name))
        if not 0 < len(text) <= NAME:
            raise Fault("bad-name", self.path(name), f"a name has 1 to {NAME} characters, this one {len(text)}")
        return text

    def number(self, name: str) -> float:
        """Finite; some platforms write it as a string."""
        found = self._value.get(name)
        try:
            number = math.nan if isinstance(found, bool) else float(found)  # type: ignore[arg-type]  # caught
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise Fault("wrong-type", self.path(name), "expected a finite number")
        return number

    def integer(self, name: str) -> int:
        found = self._value.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise Fault("wrong-type", self.path(name), f"expected an integer, got {kind(found)}")
        return found

    def text(self, name: str, *, may_be_empty: bool = False) -> str:
        text = self.string(name)
        check_text(text, self.path(name), may_be_empty=may_be_empty)
        return text

    def objects(self, name: str, limit: int) -> Iterator[tuple[int, str, Any]]:
        """(index, path, value) of a list's items; none where there is no list."""
        found = self._value.get(name)
        if found is None:
            return
        if not isinstance(found, list):
            raise Fault("wrong-type", self.path(name), f"expected a list, got {kind(found)}")
        if len(found) > limit:
            raise Fault(
                "too-many", self.path(name), f"{len(found):,} items; at most {limit:,} are taken in one delivery"
            )
        yield from ((index, f"{self.path(name)}[{index}]", value) for index, value in enumerate(found))

    # --- lenient

    def words(self, name: str, limit: int) -> str:
        """A string of at most `limit` characters, else ""."""
        if not self.has(name):
            return ""
        try:
            text = self.string(name)
            check_characters(text, self.path(name))
        except Fault as fault:
            self.note(name, fault.type, f"dropped: {fault.detail}")
            return ""
        if len(text) > limit:
            self.note(name, "text-too-long", f"dropped: {len(text)} characters; at most {limit:,} are taken")
            return ""
        return text

    def flag(self, name: str) -> bool:
        found = self._value.get(name)
        if found is not None and not isinstance(found, bool):
            self.note(name, "wrong-type", f"dropped: expected true or false, got {kind(found)}")
        return found is True

    def list(self, name: str) -> list[Any]:
        found = self._value.get(name)
        if isinstance(found, list):
            return found
        if found is not None:
            self.note(name, "wrong-type", f"dropped: expected a list, got {kind(found)}")
        return []

    def fields(self, name: str) -> "Fields":
        """A nested object's fields; an empty object where there is none."""
        found = self._value.get(name)
        if found is not None and not isinstance(found, dict):
            self.note(name, "wrong-type", f"dropped: expected an object, got {kind(found)}")
        return Fields(found if isinstance(found, dict) else {}, self.path(name), self._index, self._notes)

    def instant(self, name: str, default: datetime) -> datetime:
        """In UTC; `default` where it is missing or unreadable."""
        if not self.has(name):
            return default
        try:
            found = msgspec.convert(_instant(self._value[name]), datetime, strict=False)
            if found.tzinfo is None:
                self.note(name, "no-time-zone", f"read as UTC: {TIMESTAMP}")
                return found.replace(tzinfo=UTC)
            return found.astimezone(UTC)
        except (msgspec.ValidationError, OverflowError, UnicodeEncodeError):
            self.note(name, "bad-instant", f"the delivery's own instant was taken: {TIMESTAMP}")
            return default


def _instant(value: Any) -> Any:
    """Unix milliseconds as seconds, numbers in texts too, and what databases write after an instant as RFC 3339 does;
    else as it is."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, str):
        return value.removesuffix(" UTC") + "Z" if value.endswith(" UTC") else value
    return value / 1000 if isinstance(value, int | float) and abs(value) >= MILLISECONDS else value


def kind(value: Any) -> str:
    """What JSON calls it.

    >>> kind(None), kind([]), kind(0.5)
    ('null', 'a list', 'a number')
    """
    names = {str: "a string", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
