"""What blind answers say of the people who gave them, and splits that are weighed, on both databases."""

import pytest
import sqlalchemy as sa

from service import database, tables
from service.context import Context
from service.intents.store import merge_intents
from service.reviews import answers, reliability, store, voting
from service.reviews.schemas import IntentAgreement, Reviewer, Vote
from tests.support.shop import AT, BOT, deal, open_shop
from workers import weighing


@pytest.fixture(autouse=True)
def shop(request: pytest.FixtureRequest) -> None:
    engine = request.getfixturevalue("engine" if "engine" in request.fixturenames else "sqlite_engine")
    open_shop(engine)


def blind(engine: sa.Engine, text: str, *said: str, by: str = "", **card: object) -> str:
    """A card as Ana, Ben, Cem answered it, in turn, and an adjudicator `by` the name before the colon."""
    card_id = deal(engine, text, purpose="audit", **{"overlap": len(said)} | card)
    for name, answer in zip(("Ana", "Ben", "Cem"), said, strict=False):
        cast(engine, card_id, Reviewer(name), answer)
    if by:
        name, _, answer = by.partition(":")
        cast(engine, card_id, Reviewer(name, adjudicates=True), answer)
    return card_id


def cast(engine: sa.Engine, card: str, reviewer: Reviewer, said: str) -> None:
    click = f"{card}:{reviewer.name}:{said}"
    plain = {"answer": said} if said in ("none", "unsure") else {"answer": "intent", "intent": said}
    with database.writing(engine) as connection:
        vote = Vote(click_id=click, **plain)  # type: ignore[arg-type]
        voting.vote(connection, BOT, card, reviewer, vote, AT, surface="api")


def test_a_reviewer_is_held_against_the_others_never_against_themselves(engine: sa.Engine) -> None:
    blind(engine, "one", "refund", "refund")
    blind(engine, "two", "refund", "cancel_order", by="Zoe:refund")
    blind(engine, "three", "refund", "none", by="Zoe:track_order")
    blind(engine, "four", "refund", "refund", "none")
    blind(engine, "alone", "refund")
    blind(engine, "unsure", "refund", "unsure")
    with database.reading(engine) as connection:
        found = {one.reviewer: (one.agreed, one.n) for one in reliability.reviewers(connection, BOT)}
    # In "four" Ana's and Ben's others tie, and say nothing of them.
    assert found == {"Ana": (2, 3), "Ben": (1, 3), "Cem": (0, 1)}


def test_agreement_by_intent_follows_merges(engine: sa.Engine) -> None:
    for n in range(3):
        blind(engine, f"same {n}", "refund", "refund")
    blind(engine, "merged", "cancel_order", "track_order", by="Zoe:refund")
    blind(engine, "split", "refund", "track_order", by="Zoe:refund")
    with database.writing(engine) as connection:
        before = reliability.agreement(connection, BOT)
        merge_intents(connection, BOT, 2, 3, AT)
        after = reliability.agreement(connection, BOT)
    assert (before.n, before.alpha) == (5, pytest.approx(1 - 9 * 4 / (10**2 - 7**2 - 1 - 2**2), abs=1e-4))
    assert after.alpha == pytest.approx(1 - 9 * 2 / (10**2 - 7**2 - 3**2), abs=1e-4)
    assert [one.intent for one in before.intents] == ["cancel_order", "refund", "track_order"]
    assert after.intents == (
        IntentAgreement("refund", 4, after.alpha),
        IntentAgreement("track_order", 2, after.alpha),
    )


def test_without_two_answers_nothing_is_said(engine: sa.Engine) -> None:
    blind(engine, "alone", "refund")
    with database.reading(engine) as connection:
        found = reliability.agreement(connection, BOT)
        assert (found.n, found.alpha, found.intents) == (0, None, ())
        assert reliability.reviewers(connection, BOT) == []


@pytest.mark.parametrize(("said", "overlap"), [(("refund", "none"), 2), (("refund", "refund"), 3)])
def test_a_card_that_still_wants_answers_tells_nobody_what_was_said(
    engine: sa.Engine, said: tuple[str, str], overlap: int
) -> None:
    card = blind(engine, "text", *said, overlap=overlap)
    with database.writing(engine) as connection:
        assert reliability.agreement(connection, BOT).n == 0
        assert reliability.reviewers(connection, BOT) == []
        assert [one.card.id for one in answers.blind(connection, BOT)] == [card]
        connection.execute(sa.update(tables.card).values(status="withdrawn"))
        assert reliability.agreement(connection, BOT).n == 1
        assert [one.reviewer for one in reliability.reviewers(connection, BOT)] == ["Ana", "Ben"]


def test_a_split_that_is_weighed_resolves_by_the_newest_vote_and_a_correction_reopens_it(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weighing, "choose", lambda found: [found[0].independent[0]])
    card = blind(context.engine, "text", "refund", "none", policy="dawid_skene")
    assert weighing.weigh(context, BOT) == 1
    assert weighing.weigh(context, BOT) == 0
    with database.reading(context.engine) as connection:
        assert store.get_card(connection, BOT, card).status == "resolved"
        (found,) = answers.blind(connection, BOT)
    assert found.card.weighed_vote == found.independent[0].id
    cast(context.engine, card, Reviewer("Ana"), "track_order")
    with database.reading(context.engine) as connection:
        assert store.get_card(connection, BOT, card).status == "adjudicate"
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.vote)) == 3
