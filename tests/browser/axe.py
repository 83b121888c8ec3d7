"""axe-core on a page, where somebody has installed it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = "FENCEPOST_TEST_AXE"
INSTALL = f"npm install axe-core, here or in a folder that {FOLDER} names"
EVERYTHING = {"rules": {"target-size": {"enabled": True}}}
CONTRAST = {"runOnly": ["color-contrast"]}
RUN = """(options) => axe.run(options).then((found) => found.violations.map(
  (one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`))"""


def script() -> str:
    """Its text; without it the test is skipped."""
    folder = Path(os.environ.get(FOLDER) or Path(__file__).parents[2])
    found = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not found.exists():
        pytest.skip(INSTALL)
    return found.read_text()


def violations(page: "Page", axe: str) -> list[str]:
    """Of the page with all that it folds away opened, and of its colours in the dark. Its context has to bypass the
    Content-Security-Policy."""
    page.emulate_media(color_scheme="light")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(axe)
    in_light: list[str] = page.evaluate(RUN, EVERYTHING)
    page.emulate_media(color_scheme="dark")
    in_dark: list[str] = page.evaluate(RUN, CONTRAST)
    return in_light + in_dark
