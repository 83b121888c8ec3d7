"""Reviewing in a terminal: one card at a time, one key an answer."""

import readline
import uuid
from collections.abc import Mapping, Sequence

import click
import msgspec
from rapidfuzz import fuzz, process, utils
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from service import clock, database
from service.context import Context
from service.errors import BadInput, Conflict
from service.intents.store import list_intents
from service.reviews import brackets
from service.reviews.dealing import enough_today, next_cards
from service.reviews.schemas import CardView, Choice, Line, Reviewer, Spans, Vote
from service.reviews.views import likely_spans, numbered_choices
from service.reviews.voting import cast

FOUND = 9
KEYS = "[b]n[/b] none · [b]u[/b] unsure · [b]o[/b] other · [b]e[/b] entities · [b]b[/b] back · [b]q[/b] quit"


class Session:
    """A reviewer at the terminal, and the cards they have answered."""

    def __init__(self, context: Context, bot: str, reviewer: Reviewer, console: Console) -> None:
        self.context, self.bot, self.reviewer, self.console = context, bot, reviewer, console
        self.answered: list[str] = []

    def run(self) -> int:
        """Deal until the reviewer quits or no card is left; how many cards were answered."""
        while cards := next_cards(self.context.engine, self.bot, self.reviewer):
            show(self.console, cards[0], len(self.answered))
            if not self.answer(cards[0]):
                return len(self.answered)
        with database.reading(self.context.engine) as connection:
            enough = enough_today(connection, self.bot, self.reviewer.name, clock.now())
        self.console.print(escape(enough or "No card is waiting for you."))
        return len(self.answered)

    def answer(self, card: CardView) -> bool:
        """Wait for a key that means something; False to quit."""
        spans: Spans = None
        while True:
            key = _key()
            if key in ("q", ""):
                return False
            if key == "b":
                return self.go_back()
            if key == "e":
                spans = self.mark(card, spans)
            elif (vote := self.vote_of(card, key)) is not None:
                self.cast(card.id, msgspec.structs.replace(vote, spans=spans))
                return True

    def mark(self, card: CardView, before: Spans) -> Spans:
        """The card's entities, edited in bracket notation; None when the line is left empty."""
        marked = brackets.write(card.text, likely_spans(card) if before is None else before)
        readline.set_startup_hook(lambda: readline.insert_text(marked))
        try:
            typed = click.prompt("Entities", default="", show_default=False)
            spans = brackets.parse(card.text, typed) if typed else None
        except BadInput as fault:
            self.console.print(f"[yellow]{escape(fault.detail)}[/yellow]")
            return before
        finally:
            readline.set_startup_hook()
        self.console.print(KEYS)
        return spans

    def vote_of(self, card: CardView, key: str) -> Vote | None:
        if key == "n":
            return _vote("none")
        if key == "u":
            return _vote("unsure")
        if key == "o":
            return self.search()
        numbered = {str(number): choice.intent for number, choice in enumerate(numbered_choices(card), 1)}
        return _vote("intent", numbered[key]) if key in numbered else None

    def search(self) -> Vote | None:
        """Any intent, found by a few letters of its name or description."""
        with database.reading(self.context.engine) as connection:
            intents = {intent.name: intent.description for intent in list_intents(connection, self.bot)}
        names = closest(click.prompt("Which intent", default="", show_default=False), intents)
        for number, name in enumerate(names, 1):
            self.console.print(f"  [b]{number}[/b] {escape(name)}  [dim]{escape(intents[name])}[/dim]")
        key = _key() if names else ""
        if key.isdecimal() and 1 <= int(key) <= len(names):
            return _vote("intent", names[int(key) - 1])
        self.console.print(KEYS)
        return None

    def cast(self, card_id: str, vote: Vote) -> None:
        try:
            cast(self.context, self.bot, card_id, self.reviewer, vote, surface="terminal")
        except Conflict as error:  # somebody was faster: their vote counts, ours is not needed
            self.console.print(f"[yellow]{escape(error.detail)}[/yellow]")
        else:
            self.answered.append(card_id)

    def go_back(self) -> bool:
        """Take the last answer back; its card comes again."""
        if self.answered:
            cast(self.context, self.bot, self.answered.pop(), self.reviewer, _vote("undo"), surface="terminal")
        return True


def _vote(answer: str, intent: str | None = None) -> Vote:
    return Vote(answer=answer, intent=intent, click_id=uuid.uuid4().hex)  # type: ignore[arg-type]  # one of Answer


def _key() -> str:
    """One key, without Enter; "" at the end of the input."""
    try:
        return click.getchar().lower()
    except (EOFError, KeyboardInterrupt):
        return ""


def closest(query: str, intents: Mapping[str, str]) -> list[str]:
    """Names of the intents whose name or description is most like the query.

    >>> closest("mony back", {"refund": "money back for an order", "cancel_order": "stop an order"})[0]
    'refund'
    """
    texts = {name: f"{name} {description}" for name, description in intents.items()}
    found = process.extract(query, texts, scorer=fuzz.WRatio, processor=utils.default_process, limit=FOUND)
    return [name for _text, _score, name in found]


def show(console: Console, card: CardView, answered: int) -> None:
    console.rule(f"[dim]{answered} answered · {card.bot}{' · blind' if card.blind else ''}[/dim]", align="left")
    _lines(console, card.context.before)
    console.print(Padding(f"[b]{escape(card.text)}[/b]", (0, 0, 0, 2)))
    _lines(console, card.context.after)
    _said(console, card)
    console.print()
    for number, choice in enumerate(numbered_choices(card), 1):
        _choice(console, number, choice)
    if not numbered_choices(card):
        console.print(Columns([escape(choice.intent) for choice in card.choices], padding=(0, 3)))
    console.print(KEYS)


def _lines(console: Console, lines: Sequence[Line]) -> None:
    for line in lines:
        console.print(Padding(f"[dim]{line.who:>4}  {escape(line.text)}[/dim]", (0, 0, 0, 2)))


def _said(console: Console, card: CardView) -> None:
    """What others answered, for an adjudicator."""
    for said in card.said:
        about = f" · “{said.text}”" if said.text else ""
        line = escape(f"{said.reviewer or 'import'}: {said.words}{about}")
        console.print(Padding(f"[yellow]{line}[/yellow]", (0, 0, 0, 2)))


def _choice(console: Console, number: int, choice: Choice) -> None:
    chance = "" if choice.probability is None else f" [cyan]{choice.probability:.0%}[/cyan]"
    named = " [green](named by a user)[/green]" if choice.is_corrected else ""
    console.print(f"[b]{number}[/b] {escape(choice.intent)}{named}{chance}  [dim]{escape(choice.description)}[/dim]")
    if choice.examples:
        console.print(Padding(f"[dim]“{escape('” · “'.join(choice.examples))}”[/dim]", (0, 0, 0, 4)))
