"""Records of intents, and what an importer makes of a file."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.turns.schemas import Entity

NAME_LIMIT = 200
DESCRIPTION_LIMIT = 4_000
NONE = "none"  # in files: out of scope, no intent

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]
Description = Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)]


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the number in labels and classifiers; it never changes and is never reused.

    `merged_into`: the intent its labels count for.
    """

    bot: str
    id: int
    name: str
    description: str = ""
    created_at: datetime
    archived_at: datetime | None = None
    merged_into: int | None = None


class IntentView(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as surfaces show it."""

    id: int
    name: str
    description: str
    archived_at: datetime | None
    merged_into: str | None
    examples: tuple[str, ...]  # three at most


class NewIntent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Description = ""


class IntentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. `archived` false also undoes a merge."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    merge_into: Name | UnsetType = UNSET


class ParsedExample(msgspec.Struct, frozen=True):
    """An utterance as a file has it. `where` says the place in the file, for errors: "line 12"."""

    text: str
    where: str
    entities: tuple[Entity, ...] = ()
    lang: str = ""
    is_test: bool = False  # the file says that it tests: it must not train


class ParsedIntent(msgspec.Struct, frozen=True):
    """One mention of an intent in a file; a file may mention one several times. Name "none": out of scope."""

    name: str
    where: str
    description: str = ""
    examples: tuple[ParsedExample, ...] = ()


Importer = Callable[[bytes], Sequence[ParsedIntent]]  # pure; BadInput with the place as `path`


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. Examples are on their way through ingest; those that were there before change nothing."""

    created: int = 0
    updated: int = 0
    examples: int = 0
    notes: tuple[str, ...] = ()
