"""A bot's settings as the fields of a form: what each means, what it takes, and how it is written and read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from service.bots.schemas import Bot, Pattern
from service.bots.store import checked
from service.errors import BadInput

Reader = Callable[[str], Any]


class Field(NamedTuple):
    """`takes`: the values, as words after "This takes"; `choices`: all of them, by value, where they are few."""

    name: str
    label: str
    means: str
    takes: str
    read: Reader
    choices: Mapping[str, str] = {}


def _whole(text: str) -> int:
    return int(text)


def _or_none(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None


def _share(text: str) -> float:
    return float(text.replace(",", "."))


def _patterns(text: str) -> list[Pattern]:
    """
    >>> _patterns("ORDER=A-[0-9]+")
    [Pattern(name='ORDER', regex='A-[0-9]+')]
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if wrong := [line for line in lines if "=" not in line]:
        raise BadInput(f"{wrong[0]!r} is not NAME=REGEX", path="patterns", hint="one pattern a line")
    return [Pattern(name, regex) for name, _, regex in (line.partition("=") for line in lines)]


POLICIES = {
    "single": "the first sure answer",
    "majority": "most of the answers",
    "dawid_skene": "answers weighed by who is reliable",
}
WHOSE = {
    "ours": "how unsure our classifier is",
    "theirs": "how unsure the bot’s platform says it is",
    "disagreement": "how likely the two are to disagree",
}

GROUPS: Mapping[str, Sequence[Field]] = {
    "Labelling": (
        Field("weekly_budget", "Votes a week",
              "What you grant, of any seven days: once they are given, no more cards are asked for.",
              "a whole number from 0 to 1,000,000", _whole),
        Field("batch_size", "Cards of one ranking", "How many turns a ranking picks to be asked about.",
              "a whole number from 1 to 500", _whole),
        Field("low_water", "Fewest open cards", "When fewer are open, a ranking is asked for.",
              "a whole number from 0 to 10,000", _whole),
        Field("overlap", "People a blind card asks", "As far as the bot has as many reviewers.",
              "a whole number from 1 to 5", _whole),
        Field("policy", "What decides a card", "How the answers of several people become a label.",
              "one of the choices", str, POLICIES),
        Field("daily_limit", "Votes a day of one reviewer", "After so many they are dealt no more cards; 0: no limit.",
              "a whole number from 0 to 10,000", _whole),
        Field("target", "Target", "The share of right answers from which on you want no more labels; empty: none.",
              "a number between 0 and 1, like 0.95, or nothing", _or_none),
        Field("minutes_per_error", "Minutes a wrong answer costs people", "To weigh labels against; empty: none.",
              "a number above 0 and up to 1,000, or nothing", _or_none),
    ),
    "Turns": (
        Field("audit_rate", "Share of turns for the audit slice",
              "They are drawn at random and answered blind, to know how good the bot is. Set anew each week.",
              "a number from 0 to 1, like 0.05", _share),
        Field("uncertainty", "What ranks turns", "A change assesses the stored turns anew.",
              "one of the choices", str, WHOSE),
        Field("patterns", "Patterns of personal data", "Redacted from now on besides the built-in kinds.",
              "up to 50 lines NAME=REGEX, with letters, digits and _ in the name, and up to 300 characters after it",
              _patterns),
        Field("encoder", "Encoder", "A hub id or a folder; empty: the installation’s. A change makes all vectors anew.",
              "up to 500 characters, or nothing", str),
    ),
    "Slack and hours": (
        Field("slack_channel", "Slack channel", "Where cards are posted; empty: nowhere.",
              "a channel’s id of up to 40 characters, like C0123456789, or nothing", str),
        Field("quiet_hours", "Quiet hours", "Nothing is posted to the channel in them; empty: none.",
              "HH:MM-HH:MM, like 20:00-07:00, or nothing", str),
        Field("timezone", "Time zone", "Of quiet hours and of a reviewer’s day.", "a name like Europe/Paris", str),
    ),
}  # fmt: skip
FIELDS = {field.name: field for fields in GROUPS.values() for field in fields}


def written(bot: Bot) -> dict[str, str]:
    """The present values, as the form shows them."""
    return {name: _text(getattr(bot, name)) for name in FIELDS}


def _text(value: Any) -> str:
    """
    >>> _text(None), _text(0.05), _text((Pattern("ORDER", "A=[0-9]+"),))
    ('', '0.05', 'ORDER=A=[0-9]+')
    """
    if isinstance(value, tuple):
        return "\n".join(f"{pattern.name}={pattern.regex}" for pattern in value)
    return "" if value is None else str(value)


def changes(bot: Bot, typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The options that differ from the bot's, and what is wrong with the others, by field."""
    found, wrong = {}, {}
    present = written(bot)
    for name, text in typed.items():
        text = text.strip().replace("\r\n", "\n")
        if name in FIELDS and text != present[name]:
            try:
                found[name] = _read(FIELDS[name], text)
            except BadInput as error:
                wrong[name] = told(error)
    return found, wrong


def _read(field: Field, text: str) -> Any:
    """BadInput says what the field takes."""
    try:
        value = field.read(text)
        checked({field.name: value})
    except BadInput as error:
        if error.hint:  # a check of our own, which knows better
            raise
        raise BadInput(f"this takes {field.takes}", path=field.name) from error
    except ValueError as error:
        raise BadInput(f"this takes {field.takes}", path=field.name) from error
    return value


def told(error: BadInput) -> str:
    """The fault and its mend, as one line at the field."""
    return f"{error.detail}{f': {error.hint}' if error.hint else ''}"
