"""What Slack would show, in the console: blocks as HTML, behind the console's sign-in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from integrations.slack.blocks import samples
from integrations.slack.preview import pages
from integrations.webhooks import PLATFORMS
from service import database
from service.access import sessions
from service.access.guard import COOKIE
from service.app import create_app
from service.bots.store import create_bot
from service.clock import now
from service.context import Context
from tests.support.shop import AT, BOT, deal, open_shop

SAMPLES, CARD = "/slack-preview", f"/bots/{BOT}/slack-preview"
HOSTILE = '<b>&</b> <!channel> "quoted"'
ESCAPED = "&lt;b&gt;&amp;&lt;/b&gt; &lt;!channel&gt; &#34;quoted&#34;"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    """Rea's, a reader of the shop."""
    open_shop(context.engine)
    app = create_app(context.settings, sources=PLATFORMS, schemes={}, mounts=pages.MOUNTS)
    with database.writing(context.engine) as connection:
        create_bot(connection, "bank", AT)
        token = sessions.create_sign_in(connection, name="Rea", role="reader", bot=BOT, now=now())
        cookie = sessions.redeem(connection, token, "", now())
    with TestClient(app, raise_server_exceptions=False, cookies={COOKIE: cookie}) as client:
        yield client


def plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text}


def drawn(*blocks: dict[str, Any]) -> str:
    """White space between tags left out."""
    html = str(pages.TEMPLATES.get_template("blocks.html").module.blocks(blocks))  # type: ignore[attr-defined]  # a macro
    return re.sub(r"(^|>)\s+(<|$)", r"\1\2", html)


@pytest.mark.parametrize(
    ("block", "html"),
    [
        ({"type": "header", "text": plain(HOSTILE)}, f"<h3>{ESCAPED}</h3>"),
        ({"type": "divider"}, "<hr>"),
        ({"type": "context", "elements": [plain(HOSTILE)]}, f'<p class="context">{ESCAPED} </p>'),
        ({"type": "video", "title": plain("a")}, '<p class="unknown">video</p>'),
        (
            {"type": "section", "text": plain("a"), "fields": [plain("b")], "accessory": {"type": "datepicker"}},
            '<div class="section"><div><p>a</p><ul class="fields"><li>b</li></ul></div>'
            '<span class="unknown">datepicker</span></div>',
        ),
        (
            {"type": "image", "image_url": "https://x.y/z.png", "alt_text": HOSTILE, "title": plain("t")},
            f'<figure class="picture"><figcaption>t</figcaption><span class="image">{ESCAPED}</span></figure>',
        ),
        (
            {"type": "actions", "elements": [{"type": "button", "text": plain(HOSTILE), "style": "primary"}]},
            f'<div class="actions"><span class="press primary">{ESCAPED}</span></div>',
        ),
        (
            {"type": "actions", "elements": [{"type": "overflow", "options": [{"text": plain(HOSTILE)}]}]},
            '<div class="actions"><details class="menu"><summary class="press" aria-label="more">⋯</summary>'
            f"<ul><li>{ESCAPED}</li></ul></details></div>",
        ),
        (
            {"type": "actions", "elements": [{"type": "external_select", "placeholder": plain("Other…")}]},
            '<div class="actions"><span class="select"><span class="placeholder">Other…</span></span></div>',
        ),
        (
            {
                "type": "input",
                "label": plain("Entities"),
                "element": {"type": "plain_text_input", "multiline": True, "initial_value": HOSTILE},
                "hint": plain("h"),
                "optional": True,
            },
            '<div class="field"><p class="label">Entities <span>(optional)</span></p>'
            f'<span class="typed tall">{ESCAPED}</span><p class="hint">h</p></div>',
        ),
        (
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_quote",
                        "elements": [{"type": "text", "text": HOSTILE, "style": {"bold": True}}],
                    },
                    {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U1"}]},
                    {
                        "type": "rich_text_list",
                        "elements": [
                            {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://x.y"}]}
                        ],
                    },
                ],
            },
            f'<div class="rich"><blockquote><span class="bold">{ESCAPED}</span></blockquote>'
            '<p><span class="mention">@U1</span></p>'
            '<ul><li><span class="link">https://x.y</span></li></ul></div>',
        ),
    ],
)
def test_blocks_are_drawn_and_escaped(block: dict[str, Any], html: str) -> None:
    assert drawn(block) == html


def test_the_next_open_card_is_shown_as_a_message_and_in_the_modal(
    client: TestClient[Litestar], context: Context
) -> None:
    assert "No card of shop is open" in client.get(CARD).text
    deal(context.engine, "later", priority=0.1)
    deal(context.engine, HOSTILE, priority=0.9)
    deal(context.engine, "blind", purpose="audit", priority=1)
    page = client.get(CARD).text
    assert page.count(ESCAPED) == 2 and page.count("None of these") == 2
    assert "later" not in page and "blind" not in page


def test_samples_are_shown_with_the_way_to_the_bots_one_may_see(client: TestClient[Litestar]) -> None:
    page = client.get(SAMPLES).text
    assert re.findall(r'href="/bots/([^"]+)"', page) == [f"{BOT}/slack-preview"]
    assert len(re.findall('class="surface"', page)) == len(samples.surfaces())
    assert 'class="unknown"' not in page


def test_it_takes_the_consoles_sign_in(client: TestClient[Litestar]) -> None:
    assert client.get("/bots/bank/slack-preview").status_code == 403
    client.cookies.clear()
    for path in (SAMPLES, CARD):
        nobody = client.get(path)
        assert nobody.url.path == "/sign-in" and nobody.url.params["to"] == path


def test_the_pages_need_nothing_inline(client: TestClient[Litestar], context: Context) -> None:
    deal(context.engine, "text")
    for path in (SAMPLES, CARD):
        response = client.get(path)
        assert "style-src 'self'" in response.headers["content-security-policy"]
        assert not re.search(r"<style|<script(?! src)| style=| on[a-z]+=", response.text)
    addresses = re.findall(r'href="(/slack-preview/static/[^"]+)"', response.text)
    assert len(addresses) == 1
    found = client.get(addresses[0])
    assert found.status_code == 200 and "immutable" in found.headers["cache-control"]
