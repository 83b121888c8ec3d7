"""Inferred reports and the review of reports, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import database, tables
from service.clock import now
from service.reports.rules import evidence
from tests.support.scored import BOT, PHRASES, Shop, opened_shop
from workers import inferring, ranking, scoring

SURE = PHRASES["track_order"]
INFERRED = ("kind", "turn_external_id", "is_explicit", "external_id")


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as opened:
        yield opened


def say(shop: Shop, text: str = SURE, *, person: str = "u-1", **fields: object) -> int:
    """A turn that came in just now."""
    turn_id = shop.say(text, received_at=now(), **{"conversation": "c-1"} | fields)
    with database.writing(shop.engine) as connection:
        content = tables.turn_content
        connection.execute(sa.update(content).where(content.c.turn_id == turn_id).values(person=person))
    return turn_id


def infer(shop: Shop) -> int:
    return inferring.infer(shop.context, shop.encoder, BOT)


def kinds(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows(tables.report, "kind", "turn_external_id", order="kind", is_explicit=False)


def test_a_conversation_gives_its_turns_away_once(shop: Shop) -> None:
    say(shop, "where is my parcel right now", minute=0)
    say(shop, "where is my parcel now right", minute=1)
    say(shop, "qwx zzv kkj", minute=2, is_fallback=True)
    say(shop, "get me somebody else please", minute=3, bot_intent="talk_to_human")
    expected = [("fallback", "t-2"), ("handoff", "t-2"), ("rephrase", "t-0")]
    assert (infer(shop), kinds(shop)) == (3, expected)
    assert (infer(shop), kinds(shop)) == (0, expected), "a repeat changes nothing"


def test_a_conversation_is_only_abandoned_after_a_while(shop: Shop) -> None:
    say(shop, minute=0, is_fallback=True)
    say(shop, "it is order seven", minute=20, conversation="c-2")
    assert (infer(shop), kinds(shop)) == (1, [("fallback", "t-0")])
    say(shop, "it is order seven", minute=40, conversation="c-3")
    assert (infer(shop), kinds(shop)) == (1, [("abandoned", "t-0"), ("fallback", "t-0")])


def test_a_person_who_also_complained_counts_once(shop: Shop) -> None:
    """Of a fallback (.5) and a correction (.9) by one person the stronger counts; another person's adds."""
    turn_id = say(shop, is_fallback=True, minute=50)
    shop.report(turn_id, "correction", person="u-1", minute=50)
    infer(shop)
    with database.reading(shop.engine) as connection:
        assert evidence(connection, BOT).belief.tolist() == pytest.approx([0.9])
    shop.report(turn_id, "fallback", person="u-2", minute=50)
    with database.reading(shop.engine) as connection:
        assert evidence(connection, BOT).belief.tolist() == pytest.approx([0.95])


def test_turns_without_a_conversation_and_imports_give_nothing_away(shop: Shop) -> None:
    say(shop, is_fallback=True, conversation="")
    say(shop, is_fallback=True, source="import")
    assert infer(shop) == 0


def reviewed(shop: Shop, turn_id: int, intent: int) -> None:
    row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": intent, "origin": "vote"}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), row | {"at": now()})


def test_drawn_reports_are_asked_about_blind_and_teach(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "REVIEWED", 1.0)
    shop.set(batch_size=40)  # a tenth of the room is for reviews
    turns = [shop.say(f"{SURE} {i}", bot_intent="track_order") for i in range(4)]
    shop.train()
    shop.rescore()
    for i, turn_id in enumerate(turns):
        shop.report(turn_id, person=f"u-{i}")
    shop.refresh_reports()
    assert shop.rows(tables.mark, "kind", "rate") == [("reported", 1.0)] * 4
    ranking.add_review_cards(shop.context, BOT, now())
    ranking.add_review_cards(shop.context, BOT, now())
    assert shop.rows(tables.card, "turn_id", "purpose", "is_blind") == [(one, "rank", True) for one in turns]
    for turn_id in turns:
        reviewed(shop, turn_id, 3)  # track_order: the bot was right
    with database.reading(shop.engine) as connection:
        assert evidence(connection, BOT).belief == pytest.approx([10 * 0.5 / 14] * 4)


def test_a_tenth_of_the_reported_turns_is_drawn_always_the_same(shop: Shop) -> None:
    turns = [shop.say(f"{SURE} {i}", bot_intent="track_order") for i in range(60)]
    shop.train()
    shop.rescore()
    for i, turn_id in enumerate(turns):
        shop.report(turn_id, person=f"u-{i}")
    shop.refresh_reports()
    drawn = [turn_id for turn_id, rate in shop.rows(tables.mark, "turn_id", "rate") if rate is not None]
    expected = [
        one for i, one in enumerate(turns) if shop.context.keyring.fraction("review", BOT, "native", f"t-{i}") < 0.1
    ]
    assert drawn == expected
    assert 1 <= len(drawn) <= 15
