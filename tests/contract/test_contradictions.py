"""Old labels that new ones contradict, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import database, tables
from service.clock import now
from service.errors import EncoderDown
from service.reviews import dealing, labels, store, voting
from service.reviews.schemas import CardStatus, Reviewer, Vote
from service.reviews.views import view
from tests.support.scored import AT, BOT, Shop, opened_shop
from workers import resolving

REFUND, CANCEL = 1, 2
ZOE = Reviewer("Zoe", adjudicates=True)


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def ask(shop: Shop, turn_id: int) -> str:
    row = {"id": f"card-{turn_id}", "bot": BOT, "turn_id": turn_id, "purpose": "rank", "is_blind": False}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.card.insert(), row | {"created_at": AT})
    return f"card-{turn_id}"


def vote(shop: Shop, card: str, answer: str, reviewer: Reviewer) -> None:
    said = {"answer": answer} if answer in ("none", "undo") else {"answer": "intent", "intent": answer}
    with database.writing(shop.engine) as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.vote))
        cast = Vote(click_id=str(count), **said)  # type: ignore[arg-type]
        voting.vote(connection, BOT, card, reviewer, cast, now(), surface="api")


def label(shop: Shop, text: str, answer: str, reviewer: str = "Ana", **turn: object) -> str:
    """The card of a turn that was asked about and labelled."""
    card = ask(shop, shop.say(text, **turn))  # type: ignore[arg-type]
    vote(shop, card, answer, Reviewer(reviewer))
    resolve(shop)
    return card


def resolve(shop: Shop) -> None:
    resolving.resolve(shop.context, shop.encoder, BOT)


def status(shop: Shop, card: str) -> CardStatus:
    with database.reading(shop.engine) as connection:
        return store.get_card(connection, BOT, card).status


def training(shop: Shop) -> list[int | None]:
    with database.reading(shop.engine) as connection:
        return [one.intent_id for one in labels.training_labels(connection, BOT)]


def claim(shop: Shop, reviewer: Reviewer) -> list[str]:
    with database.writing(shop.engine) as connection:
        return [card.id for card in dealing.claim_cards(connection, BOT, reviewer, now(), count=9)]


@pytest.mark.parametrize("said", ["Take my order back please", "take my order back please", "none"])
def test_an_older_label_comes_back_once_and_trains_until_it_is_decided(shop: Shop, said: str) -> None:
    text = "take my order back please" if said == "none" else said
    old = label(shop, "take my order back please", "refund")
    new = label(shop, text, "none" if said == "none" else "cancel_order", "Ben")
    assert (status(shop, old), status(shop, new)) == ("adjudicate", "resolved")
    assert training(shop)[0] == REFUND
    assert claim(shop, Reviewer("Ben")) == []
    with database.reading(shop.engine) as connection:
        shown = view(connection, store.get_card(connection, BOT, old), adjudicates=True).said
    assert [(one.reviewer, one.words, one.text) for one in shown] == [
        ("Ana", "refund", None),
        ("Ben", "none" if said == "none" else "cancel_order", text),
    ]
    vote(shop, old, "refund", ZOE)
    resolve(shop)
    resolve(shop)
    assert (status(shop, old), status(shop, new)) == ("resolved", "resolved")
    assert shop.rows(tables.contradiction, "card_id", order="card_id") == [(old,)]


def test_whoever_labelled_it_may_decide_again_and_take_that_back(shop: Shop) -> None:
    ana = Reviewer("Ana", adjudicates=True)
    old = label(shop, "take my order back please", "refund")
    label(shop, "take my order back please", "cancel_order")
    assert claim(shop, ana) == [old]
    vote(shop, old, "cancel_order", ana)
    resolve(shop)
    assert training(shop) == [CANCEL, CANCEL]
    vote(shop, old, "undo", ana)
    resolve(shop)
    assert sorted(map(str, training(shop))) == ["1", "2"]
    assert status(shop, old) == "adjudicate"


def test_a_near_turn_brings_it_back_too(shop: Shop) -> None:
    old = label(shop, "take my order back please", "refund")
    close = shop.encoder.encode(BOT, ["take my order back please"])[0]
    label(shop, "please collect what i ordered", "cancel_order", "Ben", vector=close)
    assert status(shop, old) == "adjudicate"


def test_labels_wait_for_an_encoder_that_is_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_bot: str) -> str:
        raise EncoderDown("no answer")

    old = label(shop, "take my order back please", "refund")
    with monkeypatch.context() as patched:
        patched.setattr(shop.encoder, "identity", away)
        vote(shop, ask(shop, _say_unseen(shop)), "cancel_order", Reviewer("Ben"))
        resolve(shop)
        assert (len(training(shop)), status(shop, old)) == (2, "resolved")
    resolve(shop)
    assert status(shop, old) == "adjudicate"


def _say_unseen(shop: Shop) -> int:
    """A repeat that came in before it had a vector."""
    text = "take my order back please"
    row = {"bot": BOT, "source": "native", "external_id": "unseen", "at": AT, "received_at": AT}
    with database.writing(shop.engine) as connection:
        insert = tables.turn.insert().returning(tables.turn.c.id)
        turn_id: int = connection.execute(insert, row | {"text_key": text.encode()}).scalar_one()
        connection.execute(tables.turn_content.insert(), {"turn_id": turn_id, "text": text})
    return turn_id


@pytest.mark.parametrize(
    ("text", "answer", "turn"),
    [
        ("take my order back please", "refund", {}),
        ("do not take my order back please", "cancel_order", {}),
        ("take my order back please", "cancel_order", {"entities": "order"}),
    ],
)
def test_what_says_something_else_or_the_same_intent_brings_nothing_back(
    shop: Shop, text: str, answer: str, turn: dict[str, object]
) -> None:
    old = label(shop, "take my order back please", "refund")
    label(shop, text, answer, "Ben", **turn)
    assert status(shop, old) == "resolved"
    assert shop.rows(tables.contradiction, "card_id", order="card_id") == []


@pytest.mark.parametrize(("source", "use", "comes"), [("import", "train", True), ("gold", "gold", False)])
def test_an_imported_example_comes_back_and_the_gold_set_never(shop: Shop, source: str, use: str, comes: bool) -> None:
    example = shop.say("take my order back please", source=source)
    row = {"bot": BOT, "turn_id": example, "use": use, "answer": "intent", "intent_id": REFUND, "origin": "import"}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), row | {"at": AT})
    label(shop, "take my order back please", "cancel_order")
    found = claim(shop, ZOE)
    assert shop.rows(tables.card, "turn_id", status="adjudicate") == ([(example,)] if comes else [])
    if comes:
        assert sorted(map(str, training(shop))) == ["1", "2"]
        vote(shop, found[0], "cancel_order", ZOE)
        resolve(shop)
        assert training(shop) == [CANCEL, CANCEL]
        vote(shop, found[0], "undo", ZOE)
        resolve(shop)
        resolve(shop)
        assert sorted(map(str, training(shop))) == ["1", "2"]
        assert shop.rows(tables.label, "origin", order="id", turn_id=example) == [("import",), ("vote",), ("import",)]
        vote(shop, found[0], "none", ZOE)
        resolve(shop)
        assert sorted(map(str, training(shop))) == ["2", "None"]
