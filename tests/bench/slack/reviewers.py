"""Three people who click through the channel and the review modal. They agree on who takes which card of the channel;
every third click is repeated."""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.bench.slack.installation import BOT, INTENTS
from tests.bench.slack.wire import Sending, Wire
from tests.support.slack import CHANNEL, Json, Slack

PEOPLE = ("U1", "U2", "U3")
REPEAT_EVERY = 3
LOOK_S = 0.05  # while the modal moves on
LOOK_AGAIN_S = 2.0  # when there was nothing
A_FEW = 5
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
        self.acked: set[str] = set()  # cards with an acked click
        self.finished: set[str] = set()  # messages with no other card
        self._taken: set[str] = set()
        self._lock = threading.Lock()
        self._turns = itertools.count()

    @property
    def answered(self) -> set[str]:
        """The cards that somebody meant to answer. Whose click was not acked looks again: the card is still there to be
        clicked, or shows the answer."""
        return {click.card for click in self.clicks.copy()}

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
            (self.acked.add if is_acked else self._taken.discard)(card)
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
    """Until every card is answered or it is too late. Two go by the channel, and sit down for a few cards when it has
    none; the third keeps to the modal."""
    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        futures = [pool.submit(work, group, user, deadline, in_channel=user != PEOPLE[-1]) for user in PEOPLE]
        for future in futures:
            future.result()


def work(group: Group, user: str, deadline: float, *, in_channel: bool) -> None:
    """Until all was answered that can be, and nothing is offered any more."""
    while time.monotonic() < deadline:
        if in_channel and click_through(group, user):
            continue
        if sit(group, user, deadline, A_FEW if in_channel else len(group.cards)):
            continue
        if len(group.answered) == len(group.cards):
            return
        time.sleep(LOOK_AGAIN_S)


def click_through(group: Group, user: str) -> int:
    """Answer what the channel shows; how many cards."""
    count = 0
    for message, card in open_cards(group):
        if group.take(card):
            group.answer(user, message, card)
            count += 1
    return count


def open_cards(group: Group) -> list[tuple[Json, str]]:
    """Cards that can still be answered in the channel, with copies of their messages as they are now."""
    with group.slack.lock:
        messages = [dict(one) for one in group.slack.messages[CHANNEL] if one["ts"] not in group.finished]
    for message in messages:
        if group.acked.issuperset(cards_in(message, answerable=False)):
            group.finished.add(message["ts"])
    return [(message, card) for message in messages for card in cards_in(message, answerable=True)]


def cards_in(surface: Json, *, answerable: bool) -> list[str]:
    """The cards on a message or view, in order; only those with an intent's button when they shall be answerable."""
    blocks = [block for block in surface["blocks"] if block.get("block_id", "").startswith(CARD)]
    if answerable:
        blocks = [block for block in blocks if _has_intents(block)]
    return list(dict.fromkeys(block["block_id"].split(":")[2] for block in blocks))


def _has_intents(block: Json) -> bool:
    return any(one.get("value", "").startswith("intent:") for one in block.get("elements", ()))


def sit(group: Group, user: str, deadline: float, at_most: int) -> int:
    """One modal, card by card, while it moves on; how many cards."""
    group.wire.send(Sending(group.slack.command(user, "/fencepost", f"review {BOT}"), over_http=False))
    count, card = 0, ""
    while count < at_most and time.monotonic() < deadline:
        view = _next(group.slack, user, card)
        if view is None:
            break
        card = cards_in(view, answerable=True)[0]
        group.take(card)
        group.answer(user, view, card)
        count += 1
    if group.slack.stacks[user]:
        group.slack.close(user)
    return count


def _next(slack: Slack, user: str, before: str) -> Json | None:
    """The modal as it is now, once it shows another card than `before`; None when it has none, or none comes."""
    patience = time.monotonic() + PATIENCE_S
    while time.monotonic() < patience:
        with slack.lock:
            view = dict(slack.view(user)) if slack.stacks[user] else None
        if view is not None:
            found = cards_in(view, answerable=True)
            if not found or found[0] != before:
                return view if found else None
        time.sleep(LOOK_S)
    return None
