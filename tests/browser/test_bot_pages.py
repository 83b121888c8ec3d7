"""The overview and the drift page in a real browser: their width, their keys, and what one sees by pointing."""

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from service import database, tables
from service.clock import now
from service.context import Context
from service.intents.store import create_intents
from tests.support.measured_windows import drifted, grow, measure
from tests.support.shop import BOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

OVERVIEW = f"/bots/{BOT}"
DRIFT = f"{OVERVIEW}/drift"
# Text smaller than large, by WCAG 2.2: its contrast with what is behind it.
ENOUGH = 4.5
CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("#page *:not(svg *)")].filter((element) =>
    element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [one, other] = [parts(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    return [(one + 0.05) / (other + 0.05), element.textContent.trim().slice(0, 40)];
  });
}"""


def test_pages_fit_the_screen_and_can_be_read_in_light_and_dark(context: Context, owner_page: "Page") -> None:
    grow(context, drifted(context, now().date()))
    for path in (OVERVIEW, DRIFT):
        owner_page.goto(path)
        names = owner_page.locator("h1, h2, h3").evaluate_all("all => all.map((heading) => heading.tagName)")
        levels = [int(name[1]) for name in names]
        assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
        for width in (320, 390, 1280):
            owner_page.set_viewport_size({"width": width, "height": 800})
            assert owner_page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            owner_page.emulate_media(color_scheme=scheme)
            assert [found for found in owner_page.evaluate(CONTRASTS) if found[0] < ENOUGH] == []


def test_names_without_a_space_fit_the_screen(context: Context, owner_page: "Page") -> None:
    with database.writing(context.engine) as connection:
        ids = [one.id for one in create_intents(connection, BOT, {"x" * 200: "", "<b>" + "y" * 100: ""}, now())]
    measure(context, now().date() - timedelta(days=1), {"psi": (0.3, 0.1)}, "psi", of=ids[0])
    owner_page.set_viewport_size({"width": 320, "height": 800})
    for path in (DRIFT, f"{OVERVIEW}/boundary/{ids[0]}/{ids[1]}"):
        owner_page.goto(path)
        playwright.expect(owner_page.locator("main")).to_contain_text("x" * 200)
        assert owner_page.evaluate("document.documentElement.scrollWidth") == 320


def test_an_owner_proposes_an_intent_by_keyboard(context: Context, owner_page: "Page") -> None:
    grow(context, drifted(context, now().date()))
    owner_page.goto(OVERVIEW)
    for name in ("To the content", "Fencepost", "Sign out", "Overview", "Review", "Drift"):
        owner_page.keyboard.press("Tab")
        assert owner_page.evaluate("document.activeElement.textContent") == name
        assert owner_page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    owner_page.keyboard.press("Enter")
    owner_page.wait_for_url(f"**{DRIFT}")
    owner_page.get_by_label("Name of the intent").focus()
    owner_page.keyboard.type("gift_wrapping")
    owner_page.keyboard.press("Enter")
    playwright.expect(owner_page.get_by_role("status").last).to_contain_text("shop has the intent gift_wrapping now.")
    with database.reading(context.engine) as connection:
        assert "gift_wrapping" in connection.scalars(sa.select(tables.intent.c.name)).all()


def test_a_charts_values_are_pointed_at_or_read_in_a_table(context: Context, owner_page: "Page") -> None:
    drifted(context, now().date())
    owner_page.goto(DRIFT)
    figure = owner_page.locator("figure").first
    assert figure.get_by_role("img").first.get_attribute("aria-label").startswith("Mix of intents: PSI, by day")
    figure.locator("path[aria-roledescription=point]").last.hover()
    playwright.expect(figure.locator(".under-pointer")).to_contain_text("value: 0.31")
    figure.locator("summary").press("Enter")
    playwright.expect(figure.locator("tbody tr").first).to_contain_text("0.310")
