"""Ids as they are kept: one that may be a person's own is keyed, for a bare digest of it could be guessed by trying.

An adapter marks an id that it made of what somebody said, or of who they are, with DERIVED. Platforms themselves name
conversations after people, too: an SMS channel by the telephone number, a mail channel by the address. So whatever
looks like an address is keyed, whichever platform it comes from; ids that are alike stay alike, and what points at a
turn or at a reply still finds it.

With its plus a number is one wherever it stands. Bare digits are as long as most numbers with their country (9 to 13),
and of an id that is no conversation's the part before the last: a message's own id is nobody's number, and Unix
milliseconds are as long as one.
"""

import re

import msgspec

from service.keyring import Keyring
from service.turns.parsing import DERIVED, ID_FIELDS
from service.turns.schemas import Fact, Report

CONVERSATION = "conversation_id"
# Teams' own `19:…@thread.v2` is no address: no domain ends in a digit.
_ADDRESS = re.compile(r"@[\w.-]{1,250}\.[a-z]{2,20}(?!\w)|(?:\+|%2B)\d(?:[ ().-]{0,2}\d){6,14}", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d{9,13}(?![0-9A-Za-z])")
_NUMBER_BEFORE = re.compile(_NUMBER.pattern + r"(?=[/:|])")


def keyed_ids(fact: Fact, keyring: Keyring, bot: str) -> Fact:
    """The fact as it is kept. What was alike stays alike."""
    given = {name: getattr(fact, name, "") for name in ID_FIELDS}
    kind = "report" if isinstance(fact, Report) else "id"
    keyed = {
        name: keyring.hash(kind if name == "external_id" else "id", bot, found).hex()[:32]
        for name, found in given.items()
        if is_personal(found, is_conversation=name == CONVERSATION)
    }
    return msgspec.structs.replace(fact, **keyed) if keyed else fact


def is_personal(own_id: str, *, is_conversation: bool) -> bool:
    """Whether the id may be a person's own.

    >>> [is_personal(own_id, is_conversation=True) for own_id in ("sms:33612345678", "ana@mail.example", "c-81")]
    [True, True, False]
    >>> [is_personal(own_id, is_conversation=False) for own_id in ("33612345678/m-1", "1772442904120")]
    [True, False]
    """
    if own_id.startswith(DERIVED) or _ADDRESS.search(own_id):
        return True
    return bool((_NUMBER if is_conversation else _NUMBER_BEFORE).search(own_id))
