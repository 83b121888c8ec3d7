"""One sample of each surface, for Block Kit Builder and for whoever wants to see them all."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from integrations.slack.blocks import questions
from integrations.slack.blocks.alerts import Calm, Drifted, propose
from integrations.slack.blocks.channel import card, cards, gone
from integrations.slack.blocks.deciding import deciding
from integrations.slack.blocks.digest import Digest, Share
from integrations.slack.blocks.elements import Block, Message
from integrations.slack.blocks.home import Beside, Champion, Picture, Standing, home
from integrations.slack.blocks.metadata import Asked, Sitting
from integrations.slack.blocks.names import PROMOTE, NoticePlace
from integrations.slack.blocks.notices import (
    Decision,
    Disabled,
    Held,
    News,
    Promoted,
    Quoted,
    Stop,
    Trial,
    Undecided,
    notice,
)
from integrations.slack.blocks.reasons import reasons
from integrations.slack.blocks.review import Progress, nothing_left, review
from integrations.slack.blocks.talk import Said
from service.classifiers.schemas import Difference
from service.clock import now
from service.intents.schemas import Intent
from service.learning.stopping import Estimate
from service.reviews.budget import Week
from service.reviews.schemas import Around, CardView, Choice, Line, Mark, Reliability, Why

BOT = "bank"
CHOICES = (
    Choice("card_arrival", "when a new card will arrive", probability=0.41),
    Choice("lost_card", "a card that is lost or was stolen", probability=0.39),
    Choice("card_linking", "a card that is to be shown in the app", probability=0.08),
    Choice("card_delivery_estimate", "how long a card takes", probability=0.05),
    Choice("order_card", "a new card is wanted", probability=0.03),
)
TALK = Around(
    before=(Line("user", "hi there"), Line("bot", "Hello! What can I do for you?")),
    after=(Line("bot", "Your card was sent on Monday."), Line("user", "no, I had it and now it is gone")),
)
WHY = Why((Mark("boundary", 0.98), Mark("reported", 0.7)), {"impact": 3.178, "pressure": 1.5}, "margin")
OPEN = CardView(
    id="5f0c",
    bot=BOT,
    turn_id=17,
    purpose="rank",
    blind=False,
    status="open",
    text="where is my card",
    context=TALK,
    choices=CHOICES,
    why=WHY,
)
BLIND = msgspec.structs.replace(
    OPEN,
    purpose="blind",
    blind=True,
    context=Around(TALK.before),
    choices=tuple(Choice(name) for name in sorted(choice.intent for choice in CHOICES)),
    why=None,
)
ANSWERED = msgspec.structs.replace(OPEN, status="resolved")
SITTING, PROGRESS = Sitting(BOT), Progress(12, "5f0b", "top up by cheque", "top_up")
MESSAGE = Asked(BOT, OPEN.id, channel="C0SUPPORT", ts="1700000000.000100")
COMING = "New ones are looked for every minute, in what comes in from the log."
SAID = (Said("slack:U0ANA", "card_arrival"), Said("Ben", "lost_card"))
PICTURE = Picture("F0123456789", "Turns of bank labelled by people: 40 on 2026-02-03, 412 by 2026-03-02.")
STANDING = Standing(
    bot=BOT,
    waiting=7,
    today=12,
    daily_limit=50,
    agreement=Reliability("slack:U0ANA", 20, 18, 0.9, 0.699, 0.972),
    week=Week(granted=500, given=120, asked=10),
    champion=Champion(7, datetime(2026, 3, 2, 9, 15, tzinfo=UTC), 412, 37, 120, Estimate(0.82, 0.74, 0.88)),
    progress=PICTURE,
)

NOTICE = NoticePlace(BOT, 12)
QUOTED = (Quoted("where is my card", "card_arrival", "lost_card", True), Quoted("is it raining", "", "weather", False))
GAIN = Difference(0.031, 0.004, 0.058)
NEWS: Mapping[str, News] = {
    "promoted": Promoted(8, 7, 512, Trial(15, 6, 19, GAIN), False, 120, Estimate(0.84, 0.76, 0.90)),
    "held": Held(
        9, 8, 640, "10 wins, 11 losses, 19 neither: did not win by 2 or more", Difference(-0.003, -0.04, 0.03)
    ),
    "stop": Stop(
        "the target is reached: the champion has 95.0 % (91.0 to 97.0) of all 200 answered audit turns right, "
        "90.0 % were wanted"
    ),
    "undecided": Undecided(3, True),
    "disabled": Disabled(2, "hooks.bank.example", "every attempt failed for five days"),
    "drifted": Drifted(4, date(2026, 3, 2), "turns unlike those before, intent weather", 17),
    "calm": Calm(4, date(2026, 3, 2), 2),
    "digest": Digest(
        first_day=date(2026, 3, 2),
        last_day=date(2026, 3, 8),
        turns=1204,
        turns_before=1150,
        marked=85,
        reports=12,
        reports_before=20,
        answers=120,
        people=3,
        labelled=118,
        open_cards=7,
        champion=8,
        promoted=1,
        held=2,
        answered=120,
        accuracy=Estimate(0.84, 0.76, 0.90),
        moved=(Share("lost_card", 0.031, 0.052),),
        pictures=(PICTURE,),
    ),
}


def surfaces() -> dict[str, Message | Block]:
    """Each under the name of its file."""
    flight = msgspec.structs.replace(OPEN, text="a flight to Lyon tomorrow", context=Around())
    flying = Intent(bot=BOT, id=3, name="book_flight", created_at=now())
    unsure = [Said("slack:U0ANA", "unsure")]
    several = [(msgspec.structs.replace(OPEN, id=f"5f{n}"), ()) for n in range(11)]
    return {
        "card_open": card(OPEN),
        "card_unsure": card(OPEN, unsure),
        "card_answered": card(ANSWERED, SAID[:1]),
        "card_withdrawn": card(msgspec.structs.replace(OPEN, status="withdrawn")),
        "card_forgotten": gone(),
        "cards": cards([*several, (ANSWERED, SAID[:1])]),
        "review": review(OPEN, PROGRESS, SITTING),
        "review_blind": review(BLIND, PROGRESS, SITTING),
        "review_split": review(msgspec.structs.replace(BLIND, status="adjudicate"), PROGRESS, SITTING, said=SAID),
        "review_end": nothing_left(PROGRESS, SITTING.skip("5f0a"), COMING),
        "two_intents": questions.two(OPEN, MESSAGE),
        "new_intent": questions.new(OPEN, MESSAGE),
        "entities": questions.entities(flight, MESSAGE, "a flight to [Lyon](city) [tomorrow](date)", flying),
        "why": questions.why(OPEN, MESSAGE, reasons(OPEN, 7)),
        **{f"notice_{name}": notice(NOTICE, news, QUOTED) for name, news in NEWS.items()},
        "notice_decided": notice(NOTICE, NEWS["held"], (), Decision("hold", "slack:U0ANA")),
        "notice_sent": notice(NOTICE, NEWS["drifted"], QUOTED, Decision("review", "slack:U0ANA")),
        "propose": propose("{}"),
        "promote": deciding(PROMOTE, 12, "{}"),
        "home": home("U0ANA", [STANDING], Beside(open=["shop"]), now()),
    }


def write(folder: Path) -> list[Path]:
    """A file per surface: a message (`text`, `blocks`) or a view."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{name}.json", surface) for name, surface in surfaces().items()]


def _write(path: Path, surface: Message | Block) -> Path:
    path.write_text(json.dumps(msgspec.to_builtins(surface), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path
