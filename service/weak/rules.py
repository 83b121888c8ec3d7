"""Putting and showing a bot's labelling functions, and what they say about turns."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import regex
import sqlalchemy as sa
import structlog

from service.bots import patterns
from service.bots.patterns import PatternTooSlow
from service.bots.store import get_bot, live_bot
from service.classifiers.store import newest_with_functions
from service.context import Context
from service.database import writing
from service.errors import BadInput
from service.intents.rules import ask
from service.intents.store import intent_ids, list_intents
from service.jobs import Job
from service.learning.types import Bools1d, Ints1d, Ints2d
from service.learning.weak import ABSTAINS
from service.scripts import UNSPACED
from service.weak import store
from service.weak.parsing import parse, pattern_of, try_out
from service.weak.schemas import AnyFunction, FunctionSet, Heard, Keywords, Labelling, Nearest, PlatformIntent, Regex

log = structlog.get_logger()

SPACED = rf"[^\W{UNSPACED}]"  # a letter, mark or digit of a script with spaces between words
MOST_S = 60.0  # of all functions in one training; a sane one needs under a second


def put(context: Context, bot: str, text: bytes, now: datetime, *, who: str) -> FunctionSet:
    """Replace the bot's functions and ask for a training. BadInput names the function and the field that is wrong, and
    then nothing has changed."""
    functions = parse(text)
    try_out(functions)  # before a transaction is open: a bad pattern takes its time
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        _check_intents(connection, bot, functions)
        kept = store.put(connection, bot, text.decode(), now, who=who)
    ask(context, Job.TRAIN, bot)
    return kept


def _check_intents(connection: sa.Connection, bot: str, functions: Sequence[AnyFunction]) -> None:
    known, live = intent_ids(connection, bot), {intent.id for intent in list_intents(connection, bot)}
    for function in functions:
        if not isinstance(function, Keywords | Regex):
            continue
        path = f"{function.name}.intent"
        if function.intent not in known:
            hint = f"`fencepost intents list --bot {bot}` names them; none, out of scope, is not one a function can say"
            raise BadInput(f"bot {bot!r} has no intent {function.intent!r}", path=path, hint=hint)
        if known[function.intent] not in live:
            hint = "bring the intent back, or remove the function"
            raise BadInput(f"intent {function.intent!r} is archived", path=path, hint=hint)


def show(connection: sa.Connection, bot: str) -> Labelling:
    """The newest set, and how it did in the newest training that used it."""
    get_bot(connection, bot)
    kept = store.newest(connection, bot)
    tried = newest_with_functions(connection, bot, kept.id) if kept else None
    if tried is None:
        return Labelling(set=kept)
    n, manifest = tried
    return Labelling(set=kept, classifier=n, examples=manifest.weak_examples, functions=manifest.functions)


def votes(functions: Sequence[AnyFunction], turns: Sequence[Heard], ids: Mapping[str, int]) -> Ints2d:
    """(n, f) intent ids, ABSTAINS where a function says nothing, as `nearest` always does here: it looks at vectors.
    `ids`: every name of a live intent. A pattern that does not finish on one turn says nothing on any, nor does a
    function that takes more than its part of the time that is left."""
    end, said = time.monotonic() + MOST_S, np.full((len(turns), len(functions)), ABSTAINS)
    for place, function in enumerate(functions):
        now = time.monotonic()
        said[:, place] = _votes(function, turns, ids, now + (end - now) / (len(functions) - place))
    return said


def _votes(function: AnyFunction, turns: Sequence[Heard], ids: Mapping[str, int], until: float) -> Ints1d:
    if isinstance(function, Nearest):
        return np.full(len(turns), ABSTAINS)
    if isinstance(function, PlatformIntent):
        return np.array([_of_platform(function, turn, ids) for turn in turns], np.int64)
    intent, speaks = ids.get(function.intent, ABSTAINS), _matcher(function)
    is_said = _speaks(function, turns, speaks, until) if intent != ABSTAINS else np.zeros(len(turns), np.bool_)
    return np.where(is_said, intent, ABSTAINS)


def _speaks(function: Keywords | Regex, turns: Sequence[Heard], speaks: Callable[[str], bool], until: float) -> Bools1d:
    """(n,); all False when one turn, or all together, take too long."""
    try:
        return np.array([speaks(turn.text) for turn in _in_time(turns, until)], np.bool_)
    except (PatternTooSlow, TimeoutError):
        log.warning("labelling_function.too_slow", function=function.name)
        return np.zeros(len(turns), np.bool_)


def _in_time(turns: Sequence[Heard], until: float) -> Iterator[Heard]:
    for turn in turns:
        if time.monotonic() > until:
            raise TimeoutError
        yield turn


def _of_platform(function: PlatformIntent, turn: Heard, ids: Mapping[str, int]) -> int:
    """A platform that gives no score is only heard where none is asked for."""
    score = turn.platform_score or 0.0
    return ids.get(turn.platform_intent, ABSTAINS) if score >= function.min_score else ABSTAINS


def _matcher(function: Keywords | Regex) -> Callable[[str], bool]:
    if isinstance(function, Regex):
        pattern = pattern_of(function)
        return lambda text: bool(patterns.find(pattern, text))
    any_word = "|".join(regex.escape(word.strip(), literal_spaces=True) for word in function.words)
    # A word begins and ends where no letter stands next to it, or one of a script without spaces on either side.
    begins, ends = f"(?:(?<!{SPACED})|(?=[{UNSPACED}]))", f"(?:(?!{SPACED})|(?<=[{UNSPACED}]))"
    compiled = regex.compile(f"(?i){begins}(?:{any_word}){ends}")
    return lambda text: compiled.search(text) is not None
