"""Three people: two click through the channel, the third through the review modal. Each card gets one person's answer;
every third card's click is repeated."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from tests.bench.slack.installation import BOT, INTENTS
from tests.bench.slack.wire import Sending, Wire
from tests.support.slack import CHANNEL, Json, NoSuchElement, Slack

PEOPLE = ("U1", "U2", "U3")
REPEAT_EVERY = 3
LOOK_S = 0.02  # how often a person looks again
PATIENCE_S = 12.0  # with a modal that does not move on
CARD = f"card:{BOT}:"


class Click(NamedTuple):
    card: str
    user: str
    intent: str


class Group:
    """What they have agreed on: who takes which card; and what was acked."""

    def __init__(self, slack: Slack, wire: Wire, cards: Sequence[str]) -> None:
        self.slack, self.wire, self.cards = slack, wire, cards
        self.clicks: set[Click] = set()  # all that anybody meant
        self.answered: set[str] = set()  # cards whose click was acked
        self._taken: set[str] = set()
        self._lock = threading.Lock()
        self._turns = itertools.count()

    @property
    def is_done(self) -> bool:
        return len(self.answered) == len(self.cards)

    def take(self, card: str) -> bool:
        with self._lock:
            is_free = card not in self._taken
            self._taken.add(card)
            return is_free

    def answer(self, user: str, surface: Json, card: str) -> bool:
        """One person's answer on one card, perhaps said twice; whether it was acked."""
        n = next(self._turns)
        first = self._sending(user, surface, card, over_http=n % 2 == 1)
        repeats = self._repeats(first, user, surface, card, n // REPEAT_EVERY) if n % REPEAT_EVERY == 0 else []
        is_acked = any(self.wire.together([first, *repeats]))
        with self._lock:
            (self.answered.add if is_acked else self._taken.discard)(card)
        return is_acked

    def _repeats(self, first: Sending, user: str, surface: Json, card: str, n: int) -> list[Sending]:
        """By turns: a double click; the same request again, as a proxy or Slack repeats it; and in the channel somebody
        else at the same moment."""
        match n % 3:
            case 0:
                return [self._sending(user, surface, card, over_http=first.over_http)]
            case 1:
                return [first._replace(over_http=True, retry=1)]
            case _ if "ts" in surface:
                other = PEOPLE[(PEOPLE.index(user) + 1) % len(PEOPLE)]
                return [self._sending(other, surface, card, over_http=not first.over_http)]
            case _:
                return []

    def _sending(self, user: str, surface: Json, card: str, *, over_http: bool) -> Sending:
        click = Click(card, user, intent_of(card, user))
        with self._lock:
            self.clicks.add(click)
        payload = self.slack.click(user, surface, click.intent, within=f"{CARD}{card}:")
        return Sending(payload, over_http=over_http)


def intent_of(card: str, user: str) -> str:
    """What this person takes the card for; two people never agree, so that a vote shows whose it is."""
    return INTENTS[(int(card.removeprefix("c")) + PEOPLE.index(user)) % len(INTENTS)]


def review(group: Group, deadline: float) -> None:
    """Until every card is answered or it is too late."""
    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        roles: Sequence[Callable[[Group, str, float], None]] = (in_channel, in_channel, in_modal)
        futures = [pool.submit(role, group, user, deadline) for role, user in zip(roles, PEOPLE, strict=True)]
        for future in futures:
            future.result()


def in_channel(group: Group, user: str, deadline: float) -> None:
    while not group.is_done and time.monotonic() < deadline:
        for message, card in open_cards(group.slack):
            if group.take(card):
                group.answer(user, message, card)
        time.sleep(LOOK_S)


def open_cards(slack: Slack) -> list[tuple[Json, str]]:
    """Cards that can still be answered in the channel, with copies of their messages as they are now."""
    with slack.lock:
        messages = [dict(message) for message in slack.messages[CHANNEL]]
    return [(message, card) for message in messages for card in cards_in(message, answerable=True)]


def cards_in(surface: Json, *, answerable: bool) -> list[str]:
    """The cards on a message or view, in order; only those with an intent's button when they shall be answerable."""
    blocks = [block for block in surface["blocks"] if block.get("block_id", "").startswith(CARD)]
    if answerable:
        blocks = [block for block in blocks if _has_intents(block)]
    return list(dict.fromkeys(block["block_id"].split(":")[2] for block in blocks))


def _has_intents(block: Json) -> bool:
    return any(one.get("value", "").startswith("intent:") for one in block.get("elements", ()))


def in_modal(group: Group, user: str, deadline: float) -> None:
    """The modal until it offers nothing, then the channel."""
    while not group.is_done and time.monotonic() < deadline:
        count = sum(1 for _ in sit(group, user, deadline))
        if not count:
            break
    in_channel(group, user, deadline)


def sit(group: Group, user: str, deadline: float) -> Iterator[str]:
    """One modal, card by card, while it moves on."""
    group.wire.send(Sending(group.slack.command(user, "/fencepost", f"review {BOT}"), over_http=False))
    card = _wait(group.slack, user, "")
    while card and time.monotonic() < deadline:
        group.take(card)
        with suppress(NoSuchElement):  # it moved on by itself
            group.answer(user, _shown(group.slack, user), card)
        yield card
        card = _wait(group.slack, user, card)
    if group.slack.stacks[user]:
        group.slack.close(user)


def _wait(slack: Slack, user: str, before: str) -> str:
    """The next card on the modal; "" when it has none, or none comes."""
    patience = time.monotonic() + PATIENCE_S
    while time.monotonic() < patience:
        if slack.stacks[user]:
            found = cards_in(_shown(slack, user), answerable=True)
            if not found:
                return ""
            if found[0] != before:
                return found[0]
        time.sleep(LOOK_S)
    return ""


def _shown(slack: Slack, user: str) -> Json:
    with slack.lock:
        return dict(slack.view(user))
