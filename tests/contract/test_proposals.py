"""Proposals in SQL, on both databases: what the job finds, what an owner decides, what comes back and what does not."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import archive_bot, create_bot
from service.clock import now
from service.encoding import pack
from service.errors import BadInput, BotArchived, IntentNameTaken, ProposalClosed, ProposalNotFound
from service.intents.store import archive_intent, create_intents, list_intents, merge_intents
from service.proposals import recurring, rules, store
from service.proposals.coverage import coverage
from service.proposals.schemas import Acceptance, NewProposal, Proposal
from service.reviews import overlap
from tests.support.encoder import FakeEncoder
from tests.support.scored import AT, BOT, GIBBERISH, PHRASES, Shop, between, opened_shop
from workers import proposing

NOWHERE = np.zeros(4)
THEME = 11  # a direction that means no intent of the shop
GIFT = Acceptance(name="gift_card", description="pay with a gift card")


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def near(x: np.ndarray, seed: int) -> np.ndarray:
    apart = np.random.default_rng(seed).normal(size=len(x))
    x = x / np.linalg.norm(x) + 0.45 * apart / np.linalg.norm(apart)
    return np.asarray(x / np.linalg.norm(x), np.float32)


def fill(shop: Shop) -> list[int]:
    """A log of the three intents, 60 turns and 12 labels each, and of a theme that none of them is; the theme's
    turns."""
    with database.writing(shop.engine) as connection:
        intents = {intent.name: intent.id for intent in list_intents(connection, BOT)}
    for place, (name, phrase) in enumerate(PHRASES.items()):
        x = shop.encoder.encode(BOT, [phrase])[0]
        ids = [shop.say(f"{phrase} {i}", vector=near(x, 1000 * place + i)) for i in range(72)]
        label(shop, ids[:12], intents[name])
    theme = np.random.default_rng(THEME).normal(size=64)
    said = ("can i pay with a gift card", "is my gift card still valid", "use the gift card")
    ids = [shop.say(f"{said[i % 3]} {i}", vector=near(theme, 9000 + i)) for i in range(60)]
    with database.writing(shop.engine) as connection:
        person = sa.cast(tables.turn_content.c.turn_id % 4, sa.String)
        connection.execute(tables.turn_content.update().values(person=person))
    return ids


def label(shop: Shop, turn_ids: list[int], intent_id: int) -> None:
    row = {"bot": BOT, "use": "train", "answer": "intent", "intent_id": intent_id, "origin": "vote", "at": AT}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), [{**row, "turn_id": turn_id} for turn_id in turn_ids])


def mark(shop: Shop, turn_id: int, kind: str, n: int = 1) -> None:
    row = {"bot": BOT, "turn_id": turn_id, "kind": kind, "value": 0.01, "rate": 0.05, "n": n, "at": AT}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.mark.insert(), row)


def propose(shop: Shop, encoder: FakeEncoder | None = None) -> list[int] | None:
    return proposing.propose(shop.context, encoder or shop.encoder, BOT)


def shown(shop: Shop, status: str | None = "open") -> list[Proposal]:
    with database.reading(shop.engine) as connection:
        return store.list_proposals(connection, BOT, status, None, 50).items  # type: ignore[arg-type]  # a Literal


def new(*turn_ids: int, middle: bytes = b"") -> NewProposal:
    return NewProposal(turn_ids=turn_ids, middle=middle, turns=len(turn_ids), tightness=0.8, phrases=("gift card",))


def put(shop: Shop, *found: NewProposal, again: Sequence[int] = ()) -> list[int]:
    with database.writing(shop.engine) as connection:
        return store.replace_open(connection, BOT, 1, "fake", found, again, now())


def known_as(shop: Shop, found: NewProposal) -> int | None:
    with database.reading(shop.engine) as connection:
        return recurring.known_as(found, store.known(connection, BOT, "fake"), NOWHERE)


def accept(shop: Shop, proposal_id: int, wanted: Acceptance = GIFT) -> tuple[int, ...]:
    with database.writing(shop.engine) as connection:
        return rules.accept(connection, shop.context.keyring, BOT, proposal_id, wanted, now(), who="Ana").queued


def dismiss(shop: Shop, proposal_id: int) -> Proposal:
    with database.writing(shop.engine) as connection:
        return rules.dismiss(connection, BOT, proposal_id, now(), who="Ana")


# The job


def test_the_theme_without_an_intent_is_proposed(shop: Shop) -> None:
    theme = fill(shop)
    n = shop.train()
    (proposal_id,) = propose(shop) or []
    (proposal,) = shown(shop)
    assert (proposal.id, proposal.n, proposal.status) == (proposal_id, n, "open")
    members = {turn_id for (turn_id,) in shop.rows(tables.proposal_turn, "turn_id", order="position")}
    assert len(members & set(theme)) >= 0.9 * len(members)
    assert len(members & set(theme)) >= 0.9 * len(theme)
    assert proposal.turns == len(members)
    assert "gift card" in proposal.phrases
    assert len(proposal.typical) == 6
    assert all("gift card" in str(turn.text) for turn in proposal.typical)


def test_a_repeat_of_the_job_changes_nothing(shop: Shop) -> None:
    fill(shop)
    shop.train()
    propose(shop)
    before = shown(shop, None)
    assert propose(shop) == []
    assert shown(shop, None) == before


def test_two_jobs_at_once_make_one_proposal(shop: Shop) -> None:
    fill(shop)
    shop.train()
    with ThreadPoolExecutor(2) as pool:
        made = [one.result() for one in [pool.submit(propose, shop) for _ in range(2)]]
    assert sorted(len(ids or []) for ids in made) == [0, 1]
    assert len(shown(shop, None)) == 1


def test_a_champion_that_changed_meanwhile_makes_the_look_void(shop: Shop) -> None:
    fill(shop)
    shop.train()

    class Late(FakeEncoder):
        """Another champion comes in force once everything was read."""

        asked = 0

        def identity(self, bot: str) -> str:
            self.asked += 1
            if self.asked == 2:
                shop.train()
            return super().identity(bot)

    assert propose(shop, Late()) is None
    assert shown(shop, None) == []


def test_without_a_champion_or_a_label_nothing_is_proposed(shop: Shop) -> None:
    assert propose(shop) is None
    shop.train()
    assert propose(shop) == []
    for i in range(80):
        shop.say(f"turn {i}", vector=between(shop, "refund", noise=i))
    assert propose(shop) == []


def test_what_an_archived_intent_was_about_is_not_proposed(shop: Shop) -> None:
    theme = fill(shop)
    with database.writing(shop.engine) as connection:
        (gift,) = create_intents(connection, BOT, {"gift_card": ""}, AT)
        archive_intent(connection, BOT, gift.id, AT)
    label(shop, theme[:12], gift.id)
    shop.train()
    assert propose(shop) == []


def test_while_vectors_are_remade_nothing_is_proposed(shop: Shop) -> None:
    fill(shop)
    shop.train()
    before = shop.rows(tables.vector, "turn_id")
    with database.writing(shop.engine) as connection:
        odd = [turn_id for (turn_id,) in before if turn_id % 9 == 0]
        connection.execute(tables.vector.delete().where(tables.vector.c.turn_id.in_(odd)))
    assert propose(shop) is None
    assert shown(shop, None) == []


# What is known comes back or not


def test_a_dismissed_one_is_known_while_it_is_mostly_the_same_turns(shop: Shop) -> None:
    (first,) = put(shop, new(1, 2, 3, 4))
    assert dismiss(shop, first).status == "dismissed"
    assert known_as(shop, new(3, 4, 5, 6)) == first
    assert known_as(shop, new(4, 5, 6, 7)) is None


def test_a_dismissed_theme_does_not_come_back_in_other_turns(shop: Shop) -> None:
    theme = fill(shop)
    shop.train()
    (first,) = propose(shop) or []
    dismiss(shop, first)
    with database.writing(shop.engine) as connection:  # it is long ago
        for table in (tables.turn_content, tables.vector):
            connection.execute(table.delete().where(table.c.turn_id.in_(theme)))
    again, other = (np.random.default_rng(seed).normal(size=64) for seed in (THEME, 12))
    later = [shop.say(f"a gift card i have {i}", vector=near(again, 7000 + i)) for i in range(60)]
    assert propose(shop) == []
    for i in range(60):
        shop.say(f"is there parking {i}", vector=near(other, 8000 + i))
    (second,) = propose(shop) or []
    members = shop.rows(tables.proposal_turn, "turn_id", proposal_id=second)
    assert not set(later) & {turn_id for (turn_id,) in members}


def test_middles_of_another_encoder_say_nothing(shop: Shop) -> None:
    with database.writing(shop.engine) as connection:
        one = new(1, 2, middle=pack(np.eye(4)[0]))
        (first,) = store.replace_open(connection, BOT, 1, "fake", [one], [], now())
        assert [one.middle for one in store.known(connection, BOT, "fake")] == [pack(np.eye(4)[0])]
        assert store.known(connection, BOT, "other") == [recurring.Known(first, frozenset({1, 2}), None)]


def test_an_open_one_that_is_not_found_again_lapses_and_may_return(shop: Shop) -> None:
    first, second = put(shop, new(1, 2), new(3, 4))
    assert put(shop, again=[second]) == []
    assert {one.id: one.status for one in shown(shop, None)} == {first: "lapsed", second: "open"}
    assert known_as(shop, new(1, 2)) is None
    (third,) = put(shop, new(1, 2), again=[second])
    assert [one.id for one in shown(shop)] == [third, second]


def test_an_accepted_one_does_not_come_back(shop: Shop) -> None:
    (first,) = put(shop, new(1, 2))
    accept(shop, first)
    assert known_as(shop, new(1, 2)) == first
    assert put(shop, again=[first]) == []
    assert [(one.status, one.intent) for one in shown(shop, None)] == [("accepted", "gift_card")]


def test_bots_do_not_see_each_others_proposals(shop: Shop) -> None:
    (first,) = put(shop, new(1, 2))
    with database.writing(shop.engine) as connection:
        create_bot(connection, "bank", AT)
        assert store.replace_open(connection, "bank", 1, "fake", [], [], now()) == []
        assert (store.last_id(connection, "bank"), store.known(connection, "bank", "fake")) == (0, [])
        assert store.list_proposals(connection, "bank", None, None, 50).items == []
        with pytest.raises(ProposalNotFound):
            rules.accept(connection, shop.context.keyring, "bank", first, GIFT, now(), who="Ana")
    assert [one.status for one in shown(shop)] == ["open"]


def test_pages_follow_each_other(shop: Shop) -> None:
    ids = put(shop, *(new(2 * i, 2 * i + 1) for i in range(5)))
    seen, cursor = [], None
    with database.reading(shop.engine) as connection:
        while True:
            page = store.list_proposals(connection, BOT, "open", cursor, 2)
            seen += [one.id for one in page.items]
            if (cursor := page.next) is None:
                break
        with pytest.raises(BadInput, match="no cursor"):
            store.list_proposals(connection, BOT, "open", "x", 2)
    assert seen == ids[::-1]


def test_a_forgotten_turns_text_is_gone_and_its_id_stays(shop: Shop) -> None:
    turn_id, other = shop.say("my gift card is gone"), shop.say("gift card")
    put(shop, new(turn_id, other))
    with database.writing(shop.engine) as connection:
        connection.execute(tables.turn_content.delete().where(tables.turn_content.c.turn_id == turn_id))
    (proposal,) = shown(shop)
    assert [(turn.id, turn.text) for turn in proposal.typical] == [(turn_id, None), (other, "gift card")]
    assert proposal.phrases == (), "some of the words may be theirs"


# What an owner decides


def test_accepting_makes_the_intent_and_asks_about_the_typical_turns(shop: Shop) -> None:
    ids = [shop.say(f"use the gift card {i}") for i in range(8)]
    n = shop.train()
    shop.rescore()
    (proposal_id,) = put(shop, new(*ids))
    assert accept(shop, proposal_id) == tuple(ids[:6])
    with database.reading(shop.engine) as connection:
        assert [(one.name, one.description) for one in list_intents(connection, BOT)][-1] == (
            GIFT.name,
            GIFT.description,
        )
    assert all("unfamiliar" in shop.marks(turn_id) for turn_id in ids[:6])
    queued = [shop.candidate(turn_id) for turn_id in ids[:6]]
    assert [(one["status"], one["n"], one["uncertainty"]) for one in queued] == [("carded", n, 1.0)] * 6
    assert shop.cards() == ids[:6]
    assert shop.rows(tables.label, "id", order="id") == [], "it labels nothing"


def test_accepted_turns_stay_first_whatever_is_ranked_or_promoted_later(shop: Shop) -> None:
    torn = [shop.say(f"torn {i}", vector=between(shop, "refund", "track_order", noise=i)) for i in range(20)]
    ids = [shop.say(f"use the gift card {i}") for i in range(8)]
    shop.train()
    shop.rescore()
    (proposal_id,) = put(shop, new(*ids[::-1]))
    asked = ids[:1:-1]
    assert accept(shop, proposal_id) == tuple(asked)
    shop.train()
    shop.rescore()
    shop.rank()
    cards = shop.cards()
    assert cards[:6] == asked, "the medoid first"
    assert set(cards[6:]) & set(torn)
    assert all("unfamiliar" in shop.marks(turn_id) for turn_id in asked)


def test_accepted_turns_count_towards_the_weeks_budget(shop: Shop) -> None:
    for i in range(20):
        shop.say(f"torn {i}", vector=between(shop, "refund", "track_order", noise=i))
    ids = [shop.say(f"use the gift card {i}") for i in range(8)]
    shop.set(weekly_budget=10)
    shop.train()
    shop.rescore()
    (proposal_id,) = put(shop, new(*ids))
    accept(shop, proposal_id)
    shop.rank()
    assert len(shop.cards()) == 10


def test_accepted_turns_are_asked_on_the_bots_terms(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "BLIND_SHARE", 0.5)
    shop.set(policy="dawid_skene", overlap=3)
    vote = {"bot": BOT, "card_id": "c", "answer": "none", "surface": "api", "at": now()}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.vote.insert(), [{**vote, "reviewer": one, "click_id": one} for one in ("Ana", "Ben")])
    ids = [shop.say(f"use the gift card {i}") for i in range(6)]
    shop.train()
    shop.rescore()
    (proposal_id,) = put(shop, new(*ids))
    accept(shop, proposal_id)
    drawn = {turn_id: shop.context.keyring.fraction("blind", BOT, str(turn_id)) < 0.5 for turn_id in ids}
    assert 0 < sum(drawn.values()) < 6
    made = shop.rows(tables.card, "turn_id", "is_blind", "overlap", "policy", purpose="rank")
    assert made == [(turn_id, blind, 2 if blind else 1, "dawid_skene") for turn_id, blind in drawn.items()]


def test_turns_that_were_asked_labelled_or_forgotten_are_not_queued(shop: Shop) -> None:
    asked, labelled, forgotten, audited, free = (shop.say(f"use the gift card {i}") for i in range(5))
    shop.train()
    shop.rescore()
    (proposal_id,) = put(shop, new(asked, labelled, forgotten, audited, free))
    label(shop, [labelled], 1)
    mark(shop, audited, "audit")
    with database.writing(shop.engine) as connection:
        c = tables.candidate.c
        connection.execute(sa.delete(tables.candidate).where(c.turn_id == asked))
        row = {"turn_id": asked, "bot": BOT, "status": "carded", "created_at": AT}
        connection.execute(tables.candidate.insert(), row)
        connection.execute(tables.turn_content.delete().where(tables.turn_content.c.turn_id == forgotten))
    assert accept(shop, proposal_id) == (free,)
    assert shop.candidate(asked)["status"] == "carded"


def test_what_was_decided_cannot_be_decided_again(shop: Shop) -> None:
    first, second = put(shop, new(1, 2), new(3, 4))
    accept(shop, first)
    dismiss(shop, second)
    assert dismiss(shop, second).status == "dismissed", "a repeat changes nothing"
    with pytest.raises(ProposalClosed, match="accepted already"):
        accept(shop, first, Acceptance(name="other"))
    with pytest.raises(ProposalClosed, match="accepted already"):
        dismiss(shop, first)
    with pytest.raises(ProposalClosed, match="dismissed already"):
        accept(shop, second, Acceptance(name="other"))
    actions = [action for (action,) in shop.rows(tables.audit_log, "action", order="id")]
    assert [action for action in actions if action.startswith("proposal")] == ["proposal.accept", "proposal.dismiss"]


@pytest.mark.parametrize(("name", "error"), [("refund", IntentNameTaken), ("none", BadInput), (" x", BadInput)])
def test_a_name_that_is_no_good_leaves_the_proposal_open(shop: Shop, name: str, error: type[Exception]) -> None:
    (proposal_id,) = put(shop, new(1, 2))
    with pytest.raises(error):
        accept(shop, proposal_id, Acceptance(name=name))
    assert [one.id for one in shown(shop)] == [proposal_id]


def test_an_archived_bot_decides_nothing(shop: Shop) -> None:
    (proposal_id,) = put(shop, new(1, 2))
    with database.writing(shop.engine) as connection:
        archive_bot(connection, BOT, AT)
    with pytest.raises(BotArchived):
        dismiss(shop, proposal_id)


# Coverage


def test_coverage_counts_the_windows_turns_by_intent(shop: Shop) -> None:
    refunds = [shop.say(f"{PHRASES['refund']} {i}", minute=i) for i in range(5)]
    shop.say(PHRASES["track_order"], minute=6)
    shop.say(PHRASES["track_order"], minute=7, is_slot_fill=True)
    shop.say(PHRASES["track_order"], source="import", minute=8)
    shop.say(PHRASES["track_order"], minute=-60 * 24 * 3)
    shop.say(GIBBERISH, minute=9)
    shop.say("unlike", minute=10, vector=far_from_all(shop))
    label(shop, refunds[:2], 1)
    n = shop.train(gate=True)
    shop.rescore()
    with database.reading(shop.engine) as connection:
        found = coverage(connection, BOT, 2)
    assert (found.n, found.days, found.turns) == (n, 2, 8)
    assert (found.out_of_scope, found.unfamiliar, found.uncovered) == (1 / 8, 1 / 8, 2 / 8)
    rows = {one.name: (one.turns, one.share, one.labels) for one in found.intents}
    assert rows["refund"] == (5, 5 / 8, 2)
    assert sum(turns for turns, _, _ in rows.values()) == 7
    assert found.intents[0].name == "refund"


def test_what_an_earlier_classifier_found_unfamiliar_and_people_labelled_is_not_any_more(shop: Shop) -> None:
    turn_id = shop.say("unlike", vector=far_from_all(shop))
    shop.train()
    shop.rescore()
    label(shop, [turn_id], 1)
    shop.train()
    shop.rescore()
    with database.reading(shop.engine) as connection:
        found = coverage(connection, BOT, 28)
    assert "unfamiliar" in shop.marks(turn_id)
    assert (found.turns, found.unfamiliar, found.uncovered) == (1, 0.0, 0.0)


def test_what_is_decided_for_an_archived_intent_has_a_row(shop: Shop) -> None:
    for i in range(4):
        shop.say(PHRASES["refund" if i else "track_order"], minute=i)
    shop.train()
    shop.rescore()
    with database.writing(shop.engine) as connection:
        archive_intent(connection, BOT, 1, AT)
        archive_intent(connection, BOT, 2, AT)
        found = coverage(connection, BOT, 28)
    assert {one.name: (one.turns, one.is_archived) for one in found.intents} == {
        "refund": (3, True),
        "track_order": (1, False),
    }
    assert sum(one.share for one in found.intents) == 1.0


def far_from_all(shop: Shop) -> np.ndarray:
    """At right angles to every intent and to gibberish."""
    known = shop.encoder.encode(BOT, [*PHRASES.values(), GIBBERISH])
    x = np.random.default_rng(3).normal(size=known.shape[1])
    x = x - known.T @ np.linalg.lstsq(known.T, x, rcond=None)[0]
    return np.asarray(x / np.linalg.norm(x), np.float32)


def test_coverage_follows_merges(shop: Shop) -> None:
    shop.say(PHRASES["refund"])
    shop.train()
    shop.rescore()
    with database.writing(shop.engine) as connection:
        merge_intents(connection, BOT, 1, 2, AT + timedelta(days=1))
        found = coverage(connection, BOT, 28)
    assert {one.id: one.turns for one in found.intents} == {2: 1, 3: 0}


def test_coverage_of_nothing_is_zero(shop: Shop) -> None:
    with database.reading(shop.engine) as connection:
        found = coverage(connection, BOT, 28)
    assert (found.n, found.turns, found.uncovered) == (None, 0, 0.0)
    assert [one.share for one in found.intents] == [0.0] * 3
