"""`make screenshots`: the README's pictures, of the shipped log in a real installation, by Debian's Chromium.

The log is one day's; here it is spread over the four weeks up to now, and what people ask of LATE comes in the last two
days only, so that there is drift to see."""

import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from integrations.webhooks import native
from service import database, tables
from service.access import sessions
from service.access.guard import COOKIE
from service.clock import now
from service.context import Context, opened
from service.jobs import Job, enqueue
from service.settings import Settings
from service.turns.logs import Conversation
from workers.demo import run as demo
from workers.demo import show, stack
from workers.progress import Progress

PICTURES = Path(__file__).parent / "pictures"
SIZE, PHONE = {"width": 1100, "height": 760}, {"width": 390, "height": 760}
DAYS, LATE_DAYS = 28, 2
LATE = {"assembly_help", "store_hours", "gift_card_balance"}
WAIT_S = 180


def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium on PATH: apt-get install chromium fonts-dejavu-core", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    settings, log, progress = stack.fresh_settings(), show.read(None), Progress()
    log = log._replace(conversations=spread(log.conversations))
    with stack.running(settings), opened(settings) as context:
        demo.arrive(context, log, native.parse, progress)
        demo.begin(context, log, progress)
        demo.review(context, log, progress, seed=0)
        measure_drift(context)
        take(chromium, settings, context)
    return 0


def spread(conversations: Any) -> list[Conversation]:
    """In their order, evenly over DAYS; those that are about LATE over the last LATE_DAYS."""
    late = [any(turn.intent in LATE for turn in one.turns) for one in conversations]
    counts = {is_late: late.count(is_late) for is_late in (False, True)}
    seen, end, spread = {False: 0, True: 0}, now() - timedelta(minutes=10), []
    for one, is_late in zip(conversations, late, strict=True):
        days = LATE_DAYS if is_late else DAYS
        at = end - timedelta(days=days * (1 - seen[is_late] / max(counts[is_late], 1)))
        seen[is_late] += 1
        moved = at - one.turns[0].at
        turns = tuple(msgspec.structs.replace(turn, at=min(turn.at + moved, end)) for turn in one.turns)
        spread.append(msgspec.structs.replace(one, turns=turns))
    return spread


def measure_drift(context: Context) -> None:
    """Ask for the job, and wait until today's window is kept."""
    enqueue(context.queue, Job.DRIFT, demo.BOT)
    window, deadline = tables.drift_window.c, time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with database.reading(context.engine) as connection:
            if connection.scalar(sa.select(sa.func.max(window.day))) == now().date():
                return
        time.sleep(1)
    raise TimeoutError("the drift job measured nothing")


def take(chromium: str, settings: Settings, context: Context) -> None:
    from playwright.sync_api import sync_playwright

    with database.writing(context.engine) as connection:
        token = sessions.create_sign_in(connection, name="Ana", role="owner", bot=demo.BOT, now=now())
        session = sessions.redeem(connection, token, "", now())
        turn = labelled_turn(connection)
    here = f"/bots/{demo.BOT}"
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium)
        for name, path, size in (
            ("overview", here, SIZE),
            ("overview-phone", here, PHONE),
            ("drift", f"{here}/drift", SIZE),
            ("boundary", f"{here}/boundary", SIZE),
            ("trace", f"{here}/turns/{turn}", SIZE),
            ("review", f"{here}/review", SIZE),
        ):
            window = browser.new_context(base_url=settings.base_url, viewport=size)
            window.add_cookies([{"name": COOKIE, "value": session, "url": settings.base_url}])
            page = window.new_page()
            page.goto(path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}.png", clip={"x": 0, "y": 0, **clipped(page, size)}, full_page=True)
            if name == "review":
                page.goto(f"{here}/slack-preview")
                page.locator(".message").screenshot(path=PICTURES / "slack-card.png")
            window.close()
        browser.close()


def clipped(page: Any, size: dict[str, int]) -> dict[str, int]:
    """At most two screens of a long page."""
    height = page.evaluate("document.documentElement.scrollHeight")
    return {"width": size["width"], "height": min(int(height), 2 * size["height"])}


def labelled_turn(connection: sa.Connection) -> int:
    """The newest that a vote decided and that trains."""
    label = tables.label.c
    query = sa.select(label.turn_id).where(label.origin == "vote", label.use == "train", label.answer == "intent")
    return int(connection.execute(query.order_by(label.id.desc()).limit(1)).scalar_one())


if __name__ == "__main__":
    sys.exit(main())
