"""The review page in a real browser: keys, search, and what a screen reader is told."""

from itertools import product
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from service import database, tables
from service.context import Context
from tests.support.shop import BOT, add_card, add_turn, deal

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

REVIEW = f"/bots/{BOT}/review"


def press(page: "Page", key: str, then: str) -> None:
    page.keyboard.press(key)
    playwright.expect(page.locator("main h1")).to_have_text(then)


def test_a_reviewer_needs_the_keyboard_only(context: Context, page: "Page") -> None:
    for n in range(6):
        deal(context.engine, f"text {n}", priority=1 - n / 10)
    page.goto(REVIEW)
    press(page, "2", then="text 1")
    assert page.inner_text("#live") == "Recorded: refund. Next: text 1"
    assert page.evaluate("document.activeElement.id") == "turn"
    press(page, "n", then="text 2")
    press(page, "z", then="text 1")
    press(page, "u", then="text 2")
    page.keyboard.press("o")
    page.keyboard.type("track")
    press(page, "Enter", then="text 3")
    assert "3 votes today" in page.inner_text(".progress")
    with database.reading(context.engine) as connection:
        rows = connection.execute(sa.select(tables.vote.c.answer, tables.vote.c.intent_id).order_by(tables.vote.c.id))
        assert [tuple(row) for row in rows] == [
            ("intent", 1),
            ("none", None),
            ("undo", None),
            ("unsure", None),
            ("intent", 3),
        ]


def test_keys_typed_into_the_search_are_not_answers(context: Context, page: "Page") -> None:
    deal(context.engine, "text")
    page.goto(REVIEW)
    page.keyboard.press("o")
    page.keyboard.type("nu1")
    page.keyboard.press("Enter")  # nothing is found
    page.keyboard.press("Escape")
    playwright.expect(page.locator("details.other")).not_to_have_attribute("open", "")
    with database.reading(context.engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.vote)) == 0


def test_the_search_puts_names_before_descriptions(context: Context, page: "Page") -> None:
    deal(context.engine, "text")
    page.goto(REVIEW)
    page.keyboard.press("o")
    page.keyboard.type("order")
    assert page.locator("#intents li:visible .name").all_inner_texts() == ["cancel_order", "track_order", "refund"]


def test_entities_are_marked_by_keyboard(context: Context, page: "Page") -> None:
    entities = [{"type": "city", "value": "Lyon", "start": 7, "end": 11}]
    add_card(context.engine, add_turn(context.engine, "fly to Lyon 1", entities=entities))
    page.goto(REVIEW)
    page.keyboard.press("e")
    editor, error = page.locator("#entities"), page.locator("#entities-error")
    playwright.expect(editor).to_be_focused()
    playwright.expect(editor).to_have_value("fly to [Lyon](city) 1")
    page.keyboard.press("End")
    page.keyboard.type("n")  # no answer, though it is a key for one
    page.keyboard.press("Enter")
    playwright.expect(error).to_have_text("After “fly to Lyon 1” the text says nothing more, not “n”.")
    playwright.expect(editor).to_be_focused()
    page.keyboard.press("Escape")
    playwright.expect(editor).to_have_count(0)
    page.keyboard.press("e")
    playwright.expect(editor).to_have_value("fly to [Lyon](city) 1")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".entities .entity")).to_have_text("city: Lyon")
    assert page.inner_text("#live") == "Kept for your answer: 1 entity. Next: fly to Lyon 1"
    press(page, "2", then="No card is waiting for you")
    with database.reading(context.engine) as connection:
        assert connection.scalar(sa.select(tables.vote.c.spans)) == [[7, 11, "city"]]


def test_nothing_is_wider_than_the_screen(context: Context, page: "Page") -> None:
    deal(context.engine, "a_very_long_word_without_any_space_" * 8)
    for width, address in product((320, 390, 1280), (REVIEW, f"{REVIEW}?entities=true")):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_lost_connection_is_said_and_the_answer_can_be_sent_again(context: Context, page: "Page") -> None:
    deal(context.engine, "text")
    page.goto(REVIEW)
    page.route("**/review/*", lambda route: route.fulfill(status=502, body="away"))
    page.keyboard.press("n")
    playwright.expect(page.locator("#live")).to_contain_text("answer again")
    page.unroute("**/review/*")
    press(page, "n", then="No card is waiting for you")
