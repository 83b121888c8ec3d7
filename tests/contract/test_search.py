"""Search among turns and labels, on both databases."""

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.errors import BadInput
from service.intents.store import merge_intents
from service.reviews.label_search import SoughtLabels, find_labels
from service.turns import search
from service.turns.search import Found, Sought
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, fold, open_shop

TEXTS = (
    "Où est mon colis ?",
    "where is my order",
    "my order is late, where is it?",
    "I want to cancel my e-mail order",
    "refunds please",
    "退款什么时候到账",
    'say "100%_sure" OR NOT',
)


@pytest.fixture
def said(engine: sa.Engine) -> dict[str, int]:
    """Turn ids by text; another bot has one turn of each text, too."""
    open_shop(engine)
    open_shop(engine, "shop_2")
    found = {}
    for text in TEXTS:
        found[text] = add_turn(engine, text)
        add_turn(engine, text, bot="shop_2")
    return found


def find(engine: sa.Engine, *, bot: str = BOT, cursor: str | None = None, limit: int = 50, **sought: Any) -> Found:
    with database.reading(engine) as connection:
        return search.search(connection, bot, Sought(**sought), cursor, limit)


def texts(found: Found) -> list[str | None]:
    return [one.text for one in found.items]


def write(engine: sa.Engine, table: sa.Table, *rows: dict[str, Any]) -> None:
    with database.writing(engine) as connection:
        connection.execute(table.insert(), list(rows))


def test_words_find_turns_of_this_bot_alone_newest_first(engine: sa.Engine, said: dict[str, int]) -> None:
    expected: dict[str, list[int]] = {
        "order": [3, 2, 1],
        "ORDER my": [3, 2, 1],
        "ord": [3, 2, 1],  # the last word may go on,
        "ord my": [],  # another may not,
        '"ord"': [],  # nor one in quotes
        '"is my order"': [1],
        '"order is"': [2],
        "e-mail": [3],
        "e-ma": [3],
        '"my mail"': [],
        "ou colis": [0],
        "où": [0],
        "refund": [4],
        "退款": [5],
        "款退": [],
        "到账": [5],
        "100": [6],
        "100%_sure": [6],
        "or not": [6],
        "shop": [],  # the bot's own token is no word
        "the": [],
    }
    ids = list(said.values())
    for query, found in expected.items():
        assert [one.id for one in find(engine, q=query).items] == [ids[n] for n in found], query
    with pytest.raises(BadInput) as refused:
        find(engine, q='?! "')
    assert refused.value.path == "q"


def test_pages_follow_each_other_and_stop_where_they_have_looked_at_enough(
    engine: sa.Engine, said: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find(engine, q="order", limit=2)
    assert texts(first) == [TEXTS[3], TEXTS[2]] and first.looked_back_to is None
    second = find(engine, q="order", limit=2, cursor=first.next)
    assert texts(second) == [TEXTS[1]] and second.next is None
    monkeypatch.setattr(search, "STEP", 2)
    monkeypatch.setattr(search, "LOOKED_AT", 4)
    seen, cursor = [], None
    while True:
        page = find(engine, version="", source="native", q="where", cursor=cursor)
        seen += texts(page)
        cursor = page.next
        if cursor is None:
            break
    assert seen == [TEXTS[2], TEXTS[1]]
    stopped = find(engine, version="2")
    assert (stopped.items, stopped.looked_back_to) == ([], AT)


def test_a_forgotten_turn_is_not_found_by_its_words(engine: sa.Engine, said: dict[str, int]) -> None:
    gone = said["where is my order"]
    with database.writing(engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == gone))
        connection.execute(sa.update(tables.turn).where(tables.turn.c.id == gone).values(forgotten_at=AT))
    assert texts(find(engine, q="order")) == [TEXTS[3], TEXTS[2]]
    assert texts(find(engine))[-2:] == [None, TEXTS[0]]
    assert len(find(engine, bot="shop_2", q="order").items) == 3
    with database.reading(engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(tables.turn_words.c.rowid == gone)) == 0


def decided(turn_id: int, n: int, intent_id: int | None, **more: Any) -> dict[str, Any]:
    row = {"turn_id": turn_id, "n": n, "bot": BOT, "intent_id": intent_id, "best_id": intent_id or 1, "p1": 0.75}
    return row | {"p2": 0.1, "uncertainty": 0.2, "out_of_scope": 0.9 if intent_id is None else 0.0, **more}


def labelled(turn_id: int, intent_id: int | None, use: str = "train", **more: Any) -> dict[str, Any]:
    answer = "none" if intent_id is None else "intent"
    row = {"bot": BOT, "turn_id": turn_id, "use": use, "answer": answer, "intent_id": intent_id, "origin": "vote"}
    return row | {"at": AT, **more}


def test_turns_are_found_by_what_was_made_of_them(engine: sa.Engine, said: dict[str, int]) -> None:
    ids = list(said.values())
    write(engine, tables.prediction, *(decided(ids[n], 1, 1) for n in range(3)))
    write(engine, tables.prediction, decided(ids[0], 2, 2), decided(ids[1], 2, None), decided(ids[1], 3, 3))
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.bot).where(tables.bot.c.name == BOT).values(champion=2))
    write(engine, tables.label, labelled(ids[0], 1), labelled(ids[0], 2), labelled(ids[0], 3, "audit"))
    write(engine, tables.label, labelled(ids[3], None), labelled(ids[4], 1), labelled(ids[4], None, answer="undo"))
    write(engine, tables.label, labelled(ids[5], 2, answer="two", second_id=3))
    marks = ({"bot": BOT, "turn_id": ids[n], "kind": "boundary", "value": 1.0, "at": AT} for n in (1, 2))
    write(engine, tables.mark, *marks)
    add_reply(engine, "here", conversation="", minute=1, to="t-4")
    report = {"bot": BOT, "source": "native", "kind": "handoff", "at": AT, "received_at": AT}
    write(engine, tables.report, {**report, "external_id": "a", "turn_external_id": "t-2"})
    [(reply,)] = rows(engine, sa.select(tables.reply.c.external_id))
    write(engine, tables.report, {**report, "external_id": "b", "reply_external_id": reply})
    searches: tuple[tuple[dict[str, Any], list[int]], ...] = (
        ({"intent": "refund"}, [2]),  # the champion did not see it; of the others it decided otherwise since
        ({"intent": "cancel_order"}, [0]),
        ({"intent": "none"}, [1]),
        ({"intent": "track_order"}, []),  # a challenger's decision
        ({"label": "refund"}, []),  # replaced, and taken back
        ({"label": "cancel_order"}, [5, 0]),
        ({"label": "track_order"}, [5, 0]),
        ({"label": "track_order", "mark": "boundary"}, []),
        ({"label": "none"}, [3]),
        ({"mark": "boundary"}, [2, 1]),
        ({"report": "handoff"}, [2, 1]),
        ({"report": "abandoned"}, []),
        ({"mark": "boundary", "report": "handoff", "q": "late"}, [2]),
        ({"since": AT.date(), "until": AT.date(), "q": "colis"}, [0]),
        ({"since": AT.date() + timedelta(days=1)}, []),
        ({"until": date(2026, 3, 1)}, []),
        ({"until": date.max, "q": "colis"}, [0]),
        ({"source": "import"}, []),
    )
    for sought, found in searches:
        assert [one.id for one in find(engine, **sought).items] == [ids[n] for n in found], sought
    one = find(engine, q="colis").items[0]
    assert msgspec.to_builtins(one.decided) == {"n": 2, "intent": "cancel_order", "confidence": 0.75}
    assert [(said.use, said.intent) for said in one.labels] == [("train", "cancel_order"), ("audit", "track_order")]
    [late] = find(engine, q="late").items
    assert (late.marks, late.reports) == (("boundary",), ("handoff",))
    with pytest.raises(BadInput):
        find(engine, intent="unheard_of")


def rows(engine: sa.Engine, query: sa.Select[Any]) -> list[Any]:
    with database.reading(engine) as connection:
        return list(connection.execute(query))


def test_a_turn_that_is_asked_blind_is_found_by_its_words_alone(engine: sa.Engine, said: dict[str, int]) -> None:
    asked, folded = list(said.values())[:2]
    write(engine, tables.prediction, decided(asked, 1, 1), decided(folded, 1, 1))
    write(engine, tables.mark, {"bot": BOT, "turn_id": asked, "kind": "audit", "value": 0.0, "at": AT})
    write(engine, tables.label, labelled(asked, 1, "gold"), labelled(folded, 1))
    report = {"bot": BOT, "source": "native", "kind": "handoff", "at": AT, "received_at": AT, "external_id": "a"}
    write(engine, tables.report, {**report, "turn_external_id": "t-0"})
    fold(engine, folded, asked)
    sought: tuple[dict[str, Any], ...] = (
        {"intent": "refund"},
        {"mark": "audit"},
        {"label": "refund"},
        {"report": "handoff"},
    )
    assert [len(find(engine, **one).items) for one in sought] == [2, 1, 2, 1]
    card = add_card(engine, asked, purpose="audit")
    assert [find(engine, **one).items for one in sought] == [[], [], [], []]
    for query in ("colis", '"where is my order"'):
        [one] = find(engine, q=query).items
        assert one.is_withheld and (one.decided, one.marks, one.labels, one.reports) == (None, (), (), ())
    with database.reading(engine) as connection:
        assert find_labels(connection, BOT, SoughtLabels(), None, 50).items == []
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.card).where(tables.card.c.id == card).values(status="resolved"))
    assert [len(find(engine, **one).items) for one in sought] == [2, 1, 2, 1]


class Near:
    """An encoder that has one answer."""

    def __init__(self, turn_ids: list[int]) -> None:
        self.turn_ids = turn_ids

    def identity(self, _: str) -> str:
        return "fake@1"

    def encode(self, _: str, found: Any) -> Any:
        return np.zeros((len(found), 2))

    def neighbours(self, _: str, __: Any, k: int) -> Any:
        ids = [*self.turn_ids, *[-1] * (k - len(self.turn_ids))]
        return np.array([ids]), np.array([[1 - n / 1000 for n in range(k)]])


def test_meaning_finds_the_likest_first_of_what_the_other_filters_leave(
    engine: sa.Engine, said: dict[str, int]
) -> None:
    ids = list(said.values())
    write(
        engine, tables.mark, *({"bot": BOT, "turn_id": ids[n], "kind": "audit", "value": 0, "at": AT} for n in (2, 4))
    )
    near: Any = Near([ids[4], ids[1], ids[2]])
    with database.reading(engine) as connection:
        found = search.nearest(connection, near, BOT, Sought(q="parcel"))
        assert [(one.id, one.likeness) for one in found.items] == [(ids[4], 1.0), (ids[1], 0.999), (ids[2], 0.998)]
        some = search.nearest(connection, near, BOT, Sought(q="parcel", mark="audit"))
        assert [one.id for one in some.items] == [ids[4], ids[2]]


def test_labels_are_found_by_words_intent_origin_reviewer_and_use(engine: sa.Engine, said: dict[str, int]) -> None:
    ids = list(said.values())
    vote = {"bot": BOT, "card_id": "c", "reviewer": "Ana", "answer": "intent", "surface": "api", "click_id": "1"}
    write(engine, tables.vote, vote | {"at": AT, "id": 7})
    write(engine, tables.label, labelled(ids[1], 1))
    write(engine, tables.label, labelled(ids[1], 2, vote_id=7))
    write(engine, tables.label, labelled(ids[0], None, origin="import"), labelled(ids[2], 2, "gold", origin="import"))
    either = (labelled(ids[3], one, use, answer="two", second_id=3) for one, use in ((1, "train"), (2, "gold")))
    write(engine, tables.label, *either)
    searches: tuple[tuple[dict[str, Any], list[int]], ...] = (
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"q": "order"}, [6, 5, 4, 2, 1]),
        ({"intent": "cancel_order"}, [6, 4, 2]),
        ({"intent": "none"}, [3]),
        ({"origin": "import"}, [4, 3]),
        ({"reviewer": "Ana"}, [2]),
        ({"use": "gold"}, [6, 4]),
        ({"use": "train", "q": "colis"}, [3]),
        ({"intent": "track_order"}, [6, 5]),
        ({"intent": "refund"}, [5, 1]),
        ({"intent": "track_order", "use": "gold"}, [6]),
    )
    with database.reading(engine) as connection:
        for sought, found in searches:
            page = find_labels(connection, BOT, SoughtLabels(**sought), None, 50)
            assert ([one.id for one in page.items], page.next) == (found, None), sought
        first = find_labels(connection, BOT, SoughtLabels(), None, 5)
        assert [(one.id, one.counts) for one in first.items] == [(6, True), (5, True), (4, True), (3, True), (2, True)]
        second = find_labels(connection, BOT, SoughtLabels(), first.next, 5)
        assert [(one.id, one.counts) for one in second.items] == [(1, False)]
    with database.writing(engine) as connection:
        merge_intents(connection, BOT, 1, 3, AT)
        both = find_labels(connection, BOT, SoughtLabels(intent="track_order"), None, 50)
    assert [one.id for one in both.items] == [6, 5, 1], "of two intents that are one by now it is one label"


def test_labels_of_a_use_that_say_two_intents_are_read_by_themselves(sqlite_engine: sa.Engine) -> None:
    """Postgres chooses by what the tables hold."""
    open_shop(sqlite_engine)
    steps: list[str] = []
    with database.reading(sqlite_engine) as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def plan(_: object, cursor: Any, statement: str, parameters: Any, *rest: object) -> None:
            steps.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        find_labels(connection, BOT, SoughtLabels(intent="refund", use="train"), None, 5)
    assert [step for step in steps if "label_by_bot" in step] == []
    assert [step for step in steps if "label_by_second" in step] != []
