"""What people come to the console for, from the first page to the last, in a real browser on a real server.

One world serves the whole file: each test keeps to what is its own in it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING, NamedTuple

import pytest
import sqlalchemy as sa

from service import database, tables
from service.access import keys, sessions
from service.access.guard import COOKIE
from service.access.roles import Role
from service.classifiers import store as classifiers
from service.classifiers.gates import Flip
from service.clock import now
from service.reviews import rules
from service.reviews.schemas import Reviewer, Vote
from service.reviews.voting import cast
from service.settings import Settings
from tests.browser import axe
from tests.support.measured_windows import drifted, grow
from tests.support.scored import BOT, PHRASES, Shop, between, opened_shop
from tests.support.server import serving
from tests.support.trials import challenge

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

HERE = f"/bots/{BOT}"
CARDS = 12
PHONE = {"width": 320, "height": 700}
# Links that stand in a sentence may be as low as its line: WCAG 2.2, 2.5.8.
SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((one) => one.checkVisibility() && !one.closest("p, dd, .unseen, .faint"))
  .filter((one) => one.getBoundingClientRect().height < 24)
  .map((one) => one.outerHTML)"""


class World(NamedTuple):
    """`learnt`: a turn that a vote labelled and classifier 2, the champion, has learnt; `plain`: one that nobody asks
    about."""

    shop: Shop
    url: str
    browser: "Browser"
    learnt: int
    plain: int

    def link(self, name: str, role: Role) -> str:
        with database.writing(self.shop.engine) as connection:
            token = sessions.create_sign_in(connection, name=name, role=role, bot=BOT, now=now())
        return f"/sign-in/{token}"

    def cookie(self, name: str, role: Role) -> str:
        with database.writing(self.shop.engine) as connection:
            token = sessions.create_sign_in(connection, name=name, role=role, bot=BOT, now=now())
            return sessions.redeem(connection, token, "", now())


@pytest.fixture(scope="module")
def world(
    valkey: Path, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, chromium: str
) -> Iterator[World]:
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("flows")
    url = f"sqlite:///{copy(sqlite_template, folder / 'fencepost.db')}"
    engine = database.connect(url)
    with ExitStack() as open_now:
        shop = open_now.enter_context(opened_shop(engine, valkey, folder))
        learnt = fill(shop)
        plain = shop.say(PHRASES["refund"], minute=99)
        settings = Settings(data_dir=str(folder), database_url=url, redis_url=f"unix://{valkey}")
        address = open_now.enter_context(serving(settings))
        browser = open_now.enter_context(sync_playwright()).chromium.launch(executable_path=chromium)
        yield World(shop, address, browser, learnt, plain)
        browser.close()
    engine.dispose()


def fill(shop: Shop) -> int:
    """Cards, an alert with its turns, a cluster that grows, and a turn that was labelled and learnt: its id."""
    shop.set(batch_size=1)
    learnt = shop.say("what of my order", vector=between(shop, "refund", "track_order", noise=1))
    shop.train()
    shop.rescore()
    shop.rank()
    [(card,)] = shop.rows(tables.card, "id")
    cast(shop.context, BOT, card, Reviewer("Ana"), Vote(answer="intent", intent="refund", click_id="1"), surface="api")
    rules.resolve_votes(shop.context, BOT)
    shop.train(labels=1, last_label_id=1, replaced=1)
    for n in range(CARDS):
        shop.say(f"about my parcel, {n}", vector=between(shop, "refund", "cancel_order", noise=n + 2))
    shop.set(batch_size=CARDS)
    shop.rescore()
    shop.rank()
    grow(shop.context, drifted(shop.context, now().date()))
    return learnt


@pytest.fixture
def visit(world: World) -> "Iterator[Callable[..., Page]]":
    """Opens a window for somebody, who may be signed in; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as windows:

        def opened(name: str = "", role: Role = "reader", **options: object) -> "Page":
            window = world.browser.new_context(base_url=world.url, **options)
            windows.callback(window.close)
            if name:
                window.add_cookies([{"name": COOKIE, "value": world.cookie(name, role), "url": world.url}])
            page = window.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
            page.route(
                lambda url: not url.startswith((world.url, "data:")), lambda route: complaints.append(route.request.url)
            )
            return page

        yield opened
    assert [words for words in complaints if "status of 4" not in words] == []  # a refusal that a test asked for


def tab_to(page: "Page", name: str) -> None:
    """By the keyboard, as far as it takes."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == name:
            return
    raise AssertionError(f"{name} is not reached")


def test_a_reviewer_signs_in_by_a_link_and_answers_ten_cards_by_keyboard(
    world: World, visit: "Callable[..., Page]"
) -> None:
    page = visit()
    page.goto(world.link("Rob", "reviewer"))
    tab_to(page, "Sign in as Rob")
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    tab_to(page, f"Review cards of {BOT}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{HERE}/review")
    for n, key in enumerate("121nu1212n", 1):
        card = page.get_by_role("heading", level=1).inner_text()
        page.keyboard.press(key)
        playwright.expect(page.locator("main h1")).not_to_have_text(card)
        playwright.expect(page.locator(".progress")).to_contain_text(f"{n} vote")
    vote = tables.vote.c
    with database.reading(world.shop.engine) as connection:
        query = sa.select(vote.answer).where(vote.reviewer == "Rob").order_by(vote.id)
        answers = list(connection.scalars(query))
    assert answers == [*["intent"] * 3, "none", "unsure", *["intent"] * 4, "none"]
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("h1")).to_have_text("You are signed out")


def test_a_reader_signs_in_by_a_key_where_they_wanted_to_go(world: World, visit: "Callable[..., Page]") -> None:
    with database.writing(world.shop.engine) as connection:
        key = keys.create_key(connection, name="Kim", role="reader", bot=BOT, now=now())
    page = visit()
    page.goto(f"{HERE}/drift")
    page.wait_for_url("**/sign-in?*")
    page.get_by_label("Your API key").fill("fp_wrong")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Your API key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{HERE}/drift")
    playwright.expect(page.locator(".person")).to_contain_text("Kim")
    playwright.expect(page.get_by_role("button", name="Propose intent")).to_have_count(0)


def test_an_owner_reads_an_alert_and_makes_an_intent_of_what_grows(world: World, visit: "Callable[..., Page]") -> None:
    page = visit("Ona", "owner")
    page.goto(HERE)
    page.get_by_role("link", name="What moved").click()
    playwright.expect(page.locator("main")).to_contain_text("turns out of scope: 6.0 % before, 12.0 % now.")
    page.get_by_role("link", name="gift wrap please").first.click()
    playwright.expect(page.locator("h1")).to_have_text("gift wrap please")
    page.go_back()
    page.get_by_label("Name of the intent").fill("gift_wrapping")
    page.get_by_role("button", name="Propose intent").click()
    playwright.expect(page.get_by_role("status").last).to_contain_text(f"{BOT} has the intent gift_wrapping now.")
    with database.reading(world.shop.engine) as connection:
        assert "gift_wrapping" in connection.scalars(sa.select(tables.intent.c.name)).all()


def test_a_trace_leads_from_a_turn_to_the_labels_behind_its_classifier(
    world: World, visit: "Callable[..., Page]"
) -> None:
    page = visit("Rea", "reader")
    page.goto(f"{HERE}/turns/{world.learnt}")
    steps = page.locator(".trace h2").all_inner_texts()
    assert steps[0] == "How it came in" and steps[-1] == "What changed for it and its neighbours"
    playwright.expect(page.locator("#votes")).to_contain_text("Ana: refund")
    page.locator("#training").get_by_role("link", name="labels behind refund").click()
    playwright.expect(page.locator("h1")).to_have_text("What refund hangs on")
    playwright.expect(page.locator("main")).to_contain_text("Classifier 2")


def test_an_owner_holds_a_challenger_and_then_promotes_it_with_reasons(
    world: World, visit: "Callable[..., Page]"
) -> None:
    n = challenge(world.shop.engine, "open", [Flip(world.plain, 1, 3)])
    page = visit("Ona", "owner")
    page.goto(f"{HERE}/classifiers")
    page.get_by_role("link", name=f"{n}", exact=True).or_(
        page.get_by_role("link", name=f"Classifier {n}")
    ).first.click()
    decide(page, "End its trial and hold it…", f"Hold classifier {n}", "too few people answer")
    playwright.expect(page.get_by_role("status").last).to_contain_text(f"Classifier {n} is held now")
    decide(page, "Put it in force…", f"Put classifier {n} in force", "it knows the new wordings")
    playwright.expect(page.get_by_role("status").last).to_contain_text(f"Classifier {n} is in force now.")
    playwright.expect(page.locator("main")).to_contain_text("it knows the new wordings")
    with database.writing(world.shop.engine) as connection:
        assert classifiers.champion_n(connection, BOT) == n
        assert classifiers.promote(connection, BOT, 2, n)


def decide(page: "Page", summary: str, button: str, reason: str) -> None:
    """Nothing happens without a reason."""
    page.get_by_text(summary).click()
    page.get_by_role("button", name=button).click()
    assert page.locator("#reason:invalid").count() == 1
    page.get_by_label("Why", exact=True).fill(reason)
    page.get_by_role("button", name=button).click()


def test_a_form_that_is_pressed_twice_is_sent_once(world: World, visit: "Callable[..., Page]") -> None:
    page = visit("Ona", "owner")
    page.goto(f"{HERE}/settings/access")
    page.get_by_label("Name of the person or program").fill("till")
    page.get_by_role("button", name="Make a key").dblclick()
    playwright.expect(page.get_by_role("status").last).to_contain_text("The new key.")
    with database.reading(world.shop.engine) as connection:
        assert [key.name for key in keys.list_keys(connection, BOT)].count("till") == 1
    page.get_by_label("Key of till").get_by_text("Revoke it…").click()
    page.get_by_role("button", name="Revoke the key of till").click()
    playwright.expect(page.get_by_role("status").last).to_contain_text("The key is revoked")


def pages(page: "Page", world: World) -> list[str]:
    """Those with a tab, and some that these lead to."""
    page.goto(HERE)
    tabs = page.locator("nav a").evaluate_all("all => all.map((tab) => tab.getAttribute('href'))")
    more = ["/boundary/1/3", f"/turns/{world.learnt}", "/classifiers/2/influence?intent=refund", "/settings/access"]
    return ["/", *tabs, *(HERE + path for path in more)]


def test_every_page_fits_a_phone_and_a_thumb(world: World, visit: "Callable[..., Page]") -> None:
    page = visit("Ona", "owner", viewport=PHONE)
    for path in pages(page, world):
        assert page.goto(path).status == 200
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, PHONE["width"])
        assert (path, page.evaluate(SMALL)) == (path, [])


def test_axe_finds_nothing(world: World, visit: "Callable[..., Page]") -> None:
    script = axe.script()
    page = visit("Ona", "owner", bypass_csp=True)
    for path in ["/sign-in", *pages(page, world)]:
        page.goto(path)
        assert (path, axe.violations(page, script)) == (path, [])
