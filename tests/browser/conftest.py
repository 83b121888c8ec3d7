"""The app on granian, and Debian's Chromium in front of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from service import database
from service.access import sessions
from service.access.guard import COOKIE
from service.access.roles import Role
from service.clock import now
from service.context import Context
from tests.support.server import serving
from tests.support.shop import BOT, open_shop

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is; without it, or without playwright, the test is skipped."""
    pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("apt-get install chromium")
    return found


@pytest.fixture
def address(context: Context) -> Iterator[str]:
    """The app on granian, on a free port."""
    with serving(context.settings) as url:
        yield url


@pytest.fixture
def page(context: Context, address: str, chromium: str) -> "Iterator[Page]":
    """A reviewer's page."""
    with browsing(context, address, chromium, "reviewer") as page:
        yield page


@pytest.fixture
def owner_page(context: Context, address: str, chromium: str) -> "Iterator[Page]":
    with browsing(context, address, chromium, "owner") as page:
        yield page


@contextmanager
def browsing(context: Context, address: str, chromium: str, role: Role) -> "Iterator[Page]":
    """Ana's page; anything the browser complains of fails the test."""
    from playwright.sync_api import sync_playwright

    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        token = sessions.create_sign_in(connection, name="Ana", role=role, bot=BOT, now=now())
        session = sessions.redeem(connection, token, "", now())
    complaints: list[str] = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium)
        opened = browser.new_context(base_url=address)
        opened.add_cookies([{"name": COOKIE, "value": session, "url": address}])
        page = opened.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        yield page
        browser.close()
    assert [words for words in complaints if "502" not in words and "400" not in words] == []  # a test's own
