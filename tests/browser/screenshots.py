"""`make screenshots`: the README's pictures, of the shipped log in a real installation, by Debian's Chromium."""

import shutil
import sys
from pathlib import Path

from integrations.webhooks import native
from service import database
from service.access import sessions
from service.access.guard import COOKIE
from service.clock import now
from service.context import opened
from service.settings import Settings
from workers.demo import run as demo
from workers.demo import show, stack
from workers.progress import Progress

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1100, "height": 760}


def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium on PATH: apt-get install chromium fonts-dejavu-core", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    settings, log, progress = stack.fresh_settings(), show.read(None), Progress()
    with stack.running(settings):
        with opened(settings) as context:
            demo.arrive(context, log, native.parse, progress)
            demo.begin(context, log, progress)
        take(chromium, settings)
    return 0


def take(chromium: str, settings: Settings) -> None:
    from playwright.sync_api import sync_playwright

    with opened(settings) as context, database.writing(context.engine) as connection:
        token = sessions.create_sign_in(connection, name="Ana", role="reviewer", bot=demo.BOT, now=now())
        session = sessions.redeem(connection, token, "", now())
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium)
        window = browser.new_context(base_url=settings.base_url, viewport=SIZE)
        window.add_cookies([{"name": COOKIE, "value": session, "url": settings.base_url}])
        page = window.new_page()
        page.goto(f"/bots/{demo.BOT}/review")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=PICTURES / "review.png", full_page=True)
        page.goto(f"/bots/{demo.BOT}/slack-preview")
        page.locator(".message").screenshot(path=PICTURES / "slack-card.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
