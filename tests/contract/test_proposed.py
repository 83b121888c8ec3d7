"""Intents that reviewers name, and the owner's decision, on both databases."""

import pytest
import sqlalchemy as sa

from service import database
from service.errors import BadInput
from service.reviews import labels, proposed, rules, voting
from service.reviews.schemas import ProposedIntent, Reviewer, Vote
from tests.support.shop import AT, BOT, deal, open_shop


@pytest.fixture(autouse=True)
def shop(engine: sa.Engine) -> None:
    open_shop(engine)


def propose(engine: sa.Engine, text: str, name: str, reviewer: str) -> str:
    card = deal(engine, text)
    with database.writing(engine) as connection:
        vote = Vote(answer="new", proposed=name, click_id=card)
        voting.vote(connection, BOT, card, Reviewer(reviewer), vote, AT, surface="api")
        rules.resolve(connection, BOT, AT)
    return card


def waiting(engine: sa.Engine) -> list[ProposedIntent]:
    with database.reading(engine) as connection:
        return proposed.waiting(connection, BOT)


def test_an_accepted_name_becomes_an_intent_and_its_votes_labels(engine: sa.Engine) -> None:
    cards = [propose(engine, f"wrap it {n}", "gift wrap", name) for n, name in enumerate(("Ben", "Ana"))]
    other = propose(engine, "hello", "greeting", "Ana")
    found = waiting(engine)
    assert found == [
        ProposedIntent("gift wrap", tuple(cards), ("Ana", "Ben")),
        ProposedIntent("greeting", (other,), ("Ana",)),
    ]
    with database.writing(engine) as connection:
        intent = proposed.accept(connection, BOT, "gift wrap", "", AT, who="Oli")
        rules.resolve(connection, BOT, AT)
        assert [one.intent_id for one in labels.training_labels(connection, BOT)] == [intent.id] * 2
    assert [one.name for one in waiting(engine)] == ["greeting"]


def test_a_refused_name_is_not_listed_again_and_labels_nothing(engine: sa.Engine) -> None:
    propose(engine, "hello", "greeting", "Ana")
    with database.writing(engine) as connection:
        proposed.refuse(connection, BOT, "greeting", AT, who="Oli")
        assert labels.training_labels(connection, BOT) == []
    propose(engine, "hello again", "greeting", "Ben")
    assert waiting(engine) == []
    with database.writing(engine) as connection, pytest.raises(BadInput, match="greeting"):
        proposed.accept(connection, BOT, "greeting", "", AT, who="Oli")
