"""What a channel is told besides cards, and how each is said."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from integrations.slack.blocks import alerts
from integrations.slack.blocks.alerts import Calm, Drifted
from integrations.slack.blocks.amounts import count, percent
from integrations.slack.blocks.digest import Digest, digest
from integrations.slack.blocks.elements import Block, Message, actions, button, cut, escape, plain, rich, section, words
from integrations.slack.blocks.names import HOLD, PROMOTE, NoticePlace
from integrations.slack.blocks.talk import SHORT_TEXT, person, quote
from integrations.slack.manifest import COMMAND
from service.classifiers.schemas import Difference
from service.learning.stopping import Estimate

HEADER = 150
FALLBACK = 1000


class Trial(msgspec.Struct, frozen=True):
    """What blind answers said on the turns where a challenger differs from the champion; `gain` in shares of right
    answers on recent turns."""

    wins: int
    losses: int
    neither: int
    gain: Difference | None


class Promoted(msgspec.Struct, frozen=True, tag="promoted"):
    """A classifier came into force. `trial` None: there was none to compare it with; `by_hand`: its gate had held it;
    `accuracy` on the audit slice, None while too few of its turns are answered."""

    n: int
    replaced: int | None
    labels: int
    trial: Trial | None
    by_hand: bool
    answered: int
    accuracy: Estimate | None


class Held(msgspec.Struct, frozen=True, tag="held"):
    """A challenger lost its trial, as `reason` says with its numbers; `gain` as of a Trial."""

    n: int
    champion: int
    labels: int
    reason: str
    gain: Difference | None


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Labelling does not pay any more."""

    reason: str


class Undecided(msgspec.Struct, frozen=True, tag="undecided"):
    """Cards whose answers differ, and whether anybody in Slack may decide them."""

    cards: int
    has_adjudicator: bool


class Disabled(msgspec.Struct, frozen=True, tag="disabled"):
    """An endpoint is told nothing any more, for what it answered; its URL may be a secret, and only its host is
    said."""

    endpoint: int
    host: str
    reason: str


News = Promoted | Held | Stop | Undecided | Disabled | Digest | Drifted | Calm


class Quoted(NamedTuple):
    """A turn; of one that two classifiers decide differently how, and whom the reviewers found right. "": out of
    scope."""

    text: str
    champion: str = ""
    challenger: str = ""
    is_won: bool = False


class Decision(NamedTuple):
    """What became of it: "" nothing yet; of a held challenger promote, hold, late; of an alert review, propose."""

    what: str = ""
    who: str = ""


OPEN = Decision()


class _Parts(NamedTuple):
    title: str
    lines: Sequence[str]
    blocks: Sequence[Block] = ()


def notice(place: NoticePlace, news: News, quoted: Sequence[Quoted] = (), decision: Decision = OPEN) -> Message:
    parts = _SAID[type(news)](place, news, quoted, decision)
    header: Block = {"type": "header", "text": plain(cut(f"{place.bot}: {parts.title}", HEADER))}
    body = [rich([section(words(f"{line}\n")) for line in parts.lines])] if parts.lines else []
    text = escape(cut(f"{place.bot}: {parts.title}. {' '.join(parts.lines)}", FALLBACK))
    return Message(text, (header, *body, *parts.blocks))


def _promoted(_place: NoticePlace, news: Promoted, quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    instead = f", in place of {news.replaced}" if news.replaced is not None else ", the bot's first"
    lines = [f"It learnt from {count(news.labels, 'label')}.", *(_trial(news.trial) if news.trial else ())]
    if news.by_hand:
        lines.append("An owner put it in force.")
    if news.accuracy:
        lines.append(f"Right: {percent(news.accuracy)}, by {count(news.answered, 'turn')} drawn at random.")
    return _Parts(f"classifier {news.n} is in force{instead}", lines, _quotes(quoted))


def _held(place: NoticePlace, news: Held, quoted: Sequence[Quoted], decision: Decision) -> _Parts:
    lines = [
        f"It learnt from {count(news.labels, 'label')}. Asked blind where the two differ "
        f"(a win: only the new one was right): {news.reason}.",
        *_gain(news.gain),
        f"Classifier {news.champion} stays in force; an owner may decide otherwise.",
    ]
    last = _decided(decision) if decision.what else _choice(place, news)
    return _Parts(f"classifier {news.n} was held", lines, [*_quotes(quoted), last])


def _choice(place: NoticePlace, news: Held) -> Block:
    return actions(place.block_id, [button(PROMOTE, "Promote", str(news.n)), button(HOLD, "Hold", str(news.n))])


def _decided(decision: Decision) -> Block:
    said = {"promote": " put it in force.", "hold": " left it at that."}.get(decision.what)
    if said is None:
        return rich([section(words("Another classifier is in force by now: there is nothing to decide."))])
    return rich([section(person(decision.who), words(said))])


def _stop(place: NoticePlace, news: Stop, _quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    lines = [
        f"{news.reason[0].upper()}{news.reason[1:]}.",
        f"fencepost advice {place.bot} shows what that rests on. Cards go on coming until the budget is lowered; "
        "the audit slice should go on, for it says when the bot gets worse.",
    ]
    return _Parts("labelling may stop", lines)


def _undecided(place: NoticePlace, news: Undecided, _quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    waits = "1 card waits" if news.cards == 1 else f"{news.cards} cards wait"
    if news.has_adjudicator:
        decide = f"Who is one, decides: {COMMAND} review {place.bot}"
    else:
        add = f"fencepost slack people add {place.bot} U… --role adjudicator"
        decide = f"Nobody in Slack is one: decide in the console, or {add}."
    return _Parts(f"{waits} for an adjudicator", [f"Reviewers answered differently. {decide}"])


def _disabled(place: NoticePlace, news: Disabled, _quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    where = f"{place.bot} {news.endpoint}"
    lines = [
        f"Its webhooks went to {news.host}; {news.reason}.",
        f"An owner brings it back: fencepost endpoints enable {where}, and what it missed: "
        f"fencepost events replay {place.bot} --since DATE --endpoint {news.endpoint}.",
    ]
    return _Parts(f"endpoint {news.endpoint} was disabled", lines)


def _digest(_place: NoticePlace, news: Digest, _quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    return _Parts(*digest(news))


def _drifted(place: NoticePlace, news: Drifted, quoted: Sequence[Quoted], decision: Decision) -> _Parts:
    return _Parts(*alerts.drifted(place, news, [one.text for one in quoted], decision))


def _calm(_place: NoticePlace, news: Calm, _quoted: Sequence[Quoted], _decision: Decision) -> _Parts:
    return _Parts(*alerts.calm(news))


_SAID: Mapping[type[News], Callable[[NoticePlace, Any, Sequence[Quoted], Decision], _Parts]] = {
    Promoted: _promoted,
    Held: _held,
    Stop: _stop,
    Undecided: _undecided,
    Disabled: _disabled,
    Digest: _digest,
    Drifted: _drifted,
    Calm: _calm,
}


def _trial(found: Trial) -> list[str]:
    """
    >>> _trial(Trial(15, 6, 19, None))
    ['Asked blind where the two differ, reviewers found the new one right 15 times, the old one 6, neither 19.']
    """
    counts = f"the new one right {count(found.wins, 'time')}, the old one {found.losses}, neither {found.neither}"
    return [f"Asked blind where the two differ, reviewers found {counts}.", *_gain(found.gain)]


def _gain(found: Difference | None) -> list[str]:
    """
    >>> _gain(Difference(0.031, 0.004, 0.058))
    ['On recent turns that is +3.1 points of right answers (+0.4 to +5.8).']
    """
    if found is None:
        return []
    points = f"{100 * found.estimate:+.1f} points of right answers ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    return [f"On recent turns that is {points}."]


def _quotes(quoted: Sequence[Quoted]) -> list[Block]:
    if not quoted:
        return []
    parts: list[Block] = [section(words("Turns they decide differently:\n"))]
    for one in quoted:
        right = "the new one is right" if one.is_won else "the old one was right"
        moved = f"{one.champion or 'out of scope'} → {one.challenger or 'out of scope'}: {right}"
        parts += [quote(cut(one.text, SHORT_TEXT)), section(words(f"{moved}\n"))]
    return [rich(parts)]
