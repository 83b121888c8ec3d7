"""Ids that a platform may write as numbers."""

from integrations.webhooks.collecting import USER
from integrations.webhooks.lenient import Fields
from service.turns.parsing import check_id


def key(fields: Fields, name: str) -> str:
    """An id; Fault where it is missing or unfit."""
    found = fields.get(name)
    text = str(found) if type(found) is int else fields.string(name)
    check_id(text, fields.path(name))
    return text


def optional_key(fields: Fields, name: str) -> str:
    """ "" where it is missing; one that is there is an id."""
    return key(fields, name) if fields.get(name) not in (None, "") else ""


def person(fields: Fields, name: str) -> str:
    """Who spoke; "" where that is missing or unfit."""
    found = fields.get(name)
    return str(found) if type(found) is int else fields.words(name, USER)
