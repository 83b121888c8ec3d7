"""The console's pages as a browser without scripts uses them: links and forms."""

import html
import re
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, slack_trouble, tables
from service.bots.store import create_bot, update_bot
from service.context import Context
from service.intents.store import archive_intent
from service.settings import Secret
from tests.support.console import Browser, sign_in
from tests.support.edge import build
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, deal, open_shop

REVIEW = f"/bots/{BOT}/review"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ana(client: TestClient[Litestar], context: Context) -> Browser:
    return sign_in(client, context, "Ana", "reviewer", BOT)


def votes(context: Context) -> list[tuple[str, str, str, str]]:
    c = tables.vote.c
    with database.reading(context.engine) as connection:
        rows = connection.execute(sa.select(c.card_id, c.reviewer, c.answer, c.surface).order_by(c.id))
        return [tuple(row) for row in rows]


def heading(page: str) -> str:
    found = re.search(r"<h1[^>]*>([^<]*)</h1>", page)
    assert found
    return found[1]


def test_the_front_page_lists_the_bots_one_may_see(
    client: TestClient[Litestar], context: Context, ana: Browser
) -> None:
    with database.writing(context.engine) as connection:
        create_bot(connection, "bank", AT)
    deal(context.engine, "where is it")
    page = ana.open("/")
    assert f'href="{REVIEW}"' in page and "bank" not in page
    assert re.findall(r"<dd>([^<]*)</dd>", page) == ["1", "1", "0", "none yet"]
    reader = sign_in(client, context, "Rea", "reader", BOT).open("/")
    assert "shop" in reader and REVIEW not in reader
    assert "bank" in sign_in(client, context, "Olu", "operator", None).open("/")


def test_cards_are_answered_by_forms_alone(context: Context, ana: Browser) -> None:
    cards = [deal(context.engine, f"text {n}", priority=1 - n / 10) for n in range(3)]
    page = ana.open(REVIEW)
    assert heading(page) == "text 0"
    assert "<b>0</b> votes today" in page and "<b>3</b> cards open" in page
    page = ana.press(page, intent="refund")
    assert heading(page) == "text 1"
    assert "<b>1</b> vote today" in page and "<b>2</b> cards open" in page
    page = ana.press(page, answer="none")
    page = ana.press(page, answer="unsure")
    assert heading(page) == "No card is waiting for you"
    assert votes(context) == [
        (cards[0], "Ana", "intent", "console"),
        (cards[1], "Ana", "none", "console"),
        (cards[2], "Ana", "unsure", "console"),
    ]
    assert [job.func_name for job in context.queue.jobs] == ["workers.jobs.resolve"]


def test_the_same_form_twice_is_one_vote(context: Context, ana: Browser) -> None:
    deal(context.engine, "text")
    page = ana.open(REVIEW)
    ana.press(page, answer="none")
    ana.press(page, answer="none")
    assert len(votes(context)) == 1


def test_undo_brings_the_last_cards_back_in_turn(context: Context, ana: Browser) -> None:
    for n in range(3):
        deal(context.engine, f"text {n}", priority=1 - n / 10)
    page = ana.press(ana.press(ana.open(REVIEW), intent="refund"), answer="none")
    assert "“text 1” → <b>none</b>" in page
    for expected in ("text 1", "text 0"):
        undo = re.search(r'class="undo" method="post" action="([^"]+)" data-swap>\s*<input[^>]* value="([^"]+)"', page)
        assert undo
        page = ana.post(undo[1], click_id=undo[2], answer="undo").text
        assert heading(page) == expected
    assert 'class="undo"' not in page


def test_a_new_intent_can_be_proposed(context: Context, ana: Browser) -> None:
    card = deal(context.engine, "gift wrap?")
    ana.post(f"{REVIEW}/{card}", click_id="c-1", answer="new", proposed="gift_wrapping")
    with database.reading(context.engine) as connection:
        assert connection.scalar(sa.select(tables.vote.c.proposed)) == "gift_wrapping"


def test_somebody_faster_is_said(client: TestClient[Litestar], context: Context, ana: Browser) -> None:
    card = deal(context.engine, "text")
    ben = sign_in(client, context, "Ben", "reviewer", BOT)
    page = ana.open(REVIEW)
    ben.post(f"{REVIEW}/{card}", click_id="b-1", answer="none")
    assert "somebody else answered it first" in ana.press(page, intent="refund")
    assert [vote[1] for vote in votes(context)] == ["Ben"]


def test_a_card_shows_its_conversation_and_why(context: Context, ana: Browser) -> None:
    turn_id = add_turn(context.engine, "where <is> it", conversation="c", minute=1)
    add_reply(context.engine, "Here & there", conversation="c", minute=1)
    add_card(context.engine, turn_id)
    with database.writing(context.engine) as connection:
        mark = {"bot": BOT, "turn_id": turn_id, "kind": "boundary", "value": 0.9, "at": AT}
        connection.execute(tables.mark.insert(), mark)
    page = ana.open(REVIEW)
    for words in ("where &lt;is&gt; it", "Here &amp; there", "between two intents", "money back for an order"):
        assert words in page


def test_a_blind_card_shows_text_and_intents_only(context: Context, ana: Browser) -> None:
    turn_id = add_turn(context.engine, "where is it", conversation="c", minute=1)
    add_reply(context.engine, "I cancelled your order", conversation="c", minute=1)
    add_card(context.engine, turn_id, purpose="audit")
    with database.writing(context.engine) as connection:
        for kind in ("boundary", "audit"):
            row = {"bot": BOT, "turn_id": turn_id, "kind": kind, "value": 0.9, "at": AT}
            connection.execute(tables.mark.insert(), row)
    page = ana.open(REVIEW)
    assert "asked blind" in page
    for words in ("I cancelled your order", "between two intents", "chance"):
        assert words not in page


def field(page: str, name: str) -> str | None:
    """What the page's first textarea or hidden input of this name holds."""
    found = re.search(rf'<textarea[^>]* name="{name}"[^>]*>([^<]*)<|type="hidden" name="{name}" value="([^"]*)"', page)
    return html.unescape(found[1] or found[2] or "") if found else None


def spans(context: Context) -> list[list[list[object]] | None]:
    with database.reading(context.engine) as connection:
        return list(connection.scalars(sa.select(tables.vote.c.spans).order_by(tables.vote.c.id)))


def test_entities_that_were_looked_at_go_with_the_answer(context: Context, ana: Browser) -> None:
    entities = [{"type": "city", "value": "Lyon", "start": 8, "end": 12}]
    card = add_card(context.engine, add_turn(context.engine, "fly> to Lyon\nor [Nice]", entities=entities))
    assert field(ana.open(REVIEW), "entities") is None
    page = ana.open(f"{REVIEW}?entities=true")
    assert field(page, "entities") == "fly> to [Lyon](city)\nor \\[Nice\\]"
    assert 'class="answers"' not in page
    page = ana.post(f"{REVIEW}/{card}/entities", entities="fly> to [Lyon](to)\r\nor [Nice](city)").text
    assert 'id="entities-error"' in page and 'aria-invalid="true"' in page
    typed = "fly> to [Lyon](to)\r\nor [\\[Nice\\]](city)"
    page = ana.post(f"{REVIEW}/{card}/entities", entities=typed).text
    assert "city: [Nice]" in page and "to: Lyon" in page
    kept = field(page, "entities")
    assert kept == "fly> to [Lyon](to)\nor [\\[Nice\\]](city)"
    again = ana.post(f"{REVIEW}/{card}/entities", entities=kept, again="true").text
    assert field(again, "entities") == kept and 'class="answers"' not in again
    assert page.count('name="entities"') == 4  # every form that answers, and the one that changes them
    ana.press(page, intent="refund", entities=kept.replace("\n", "\r\n"))
    assert spans(context) == [[[8, 12, "to"], [16, 22, "city"]]]


def test_an_answer_without_the_editor_says_nothing_of_entities(context: Context, ana: Browser) -> None:
    entities = [{"type": "city", "value": "Lyon", "start": 3, "end": 7}]
    add_card(context.engine, add_turn(context.engine, "to Lyon", entities=entities))
    ana.press(ana.open(REVIEW), intent="refund")
    assert spans(context) == [None]


def test_a_fault_stands_at_the_field_with_what_was_typed(context: Context, ana: Browser) -> None:
    card = deal(context.engine, "to Lyon")
    response = ana.post(f"{REVIEW}/{card}/entities", entities="to [Lyons](<city>)")
    assert response.status_code == 400
    assert field(response.text, "entities") == "to [Lyons](<city>)"
    assert "After “to Lyon” the text says nothing more, not “s”." in response.text
    refused = ana.post(f"{REVIEW}/{card}", click_id="c-1", intent="refund", entities="to [Lyon")
    assert (refused.status_code, votes(context)) == (400, [])


def test_entities_of_a_card_that_was_closed_meanwhile_are_not_kept(
    client: TestClient[Litestar], context: Context, ana: Browser
) -> None:
    card = deal(context.engine, "to Lyon")
    ana.open(f"{REVIEW}?entities=true")
    sign_in(client, context, "Ben", "reviewer", BOT).post(f"{REVIEW}/{card}", click_id="b-1", answer="none")
    page = ana.post(f"{REVIEW}/{card}/entities", entities="to [Lyon](city)").text
    assert "somebody else answered it first" in page and "Lyon" not in page


def test_the_editor_of_a_blind_card_begins_with_the_text_alone(context: Context, ana: Browser) -> None:
    entities = [{"type": "city", "value": "Lyon", "start": 3, "end": 7}]
    card = add_card(context.engine, add_turn(context.engine, "to Lyon", entities=entities), purpose="audit")
    with database.writing(context.engine) as connection:
        connection.execute(sa.update(tables.card).values(tagged=[[3, 7, "place"]]))
    assert field(ana.open(f"{REVIEW}?entities=true"), "entities") == "to Lyon"
    page = ana.post(f"{REVIEW}/{card}/entities", entities="to Lyon").text
    assert "no entities" in page
    ana.press(page, answer="none", entities="to Lyon")
    assert spans(context) == [[]]


def test_pages_of_another_site_cannot_vote(context: Context, ana: Browser) -> None:
    card = deal(context.engine, "text")
    response = ana.post(f"{REVIEW}/{card}", site="cross-site", click_id="c-1", answer="none")
    assert response.status_code == 403
    assert votes(context) == []


def test_refusals_are_pages(client: TestClient[Litestar], context: Context, ana: Browser) -> None:
    card = deal(context.engine, "text")
    with database.writing(context.engine) as connection:
        archive_intent(connection, BOT, 1, AT)
    nobody = client.post(f"{REVIEW}/{card}", data={"answer": "none"})
    assert (nobody.status_code, heading(nobody.text)) == (401, "Please sign in")
    reader = sign_in(client, context, "Rea", "reader", BOT)
    assert client.get(REVIEW, headers={"cookie": reader.cookie}).status_code == 403
    for fields in ({"intent": "refund"}, {"answer": "perhaps"}, {}):
        refused = ana.post(f"{REVIEW}/{card}", click_id="c-1", **fields)
        assert (refused.status_code, heading(refused.text)) == (400, "That is not possible")
    for address in ("/nothing", f"/bots/{BOT}/classifiers/x"):
        astray = client.get(address, headers={"accept": "text/html,*/*;q=0.8"})
        assert (astray.status_code, heading(astray.text)) == (404, "That is not possible")
        assert client.get(address).json()["type"] == "not-found"
    assert votes(context) == []


def test_pages_need_nothing_inline_and_files_may_be_kept(
    context: Context, client: TestClient[Litestar], ana: Browser
) -> None:
    deal(context.engine, "text")
    response = client.get(REVIEW, headers={"cookie": ana.cookie})
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert not re.search(r"<style|<script(?! src)| style=| on[a-z]+=", response.text)
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', response.text):
        found = client.get(address)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]


def test_what_slack_refuses_stands_on_the_front_page(context: Context) -> None:
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel="C1")
        for error, channel in (("token_revoked", ""), ("is_archived", "C1"), ("not_in_channel", "C2")):
            slack_trouble.hear(connection, error, channel, "chat.postMessage", AT, AT)
    settings = msgspec.structs.replace(context.settings, slack_bot_token=Secret("xoxb-1"))
    with TestClient(build(settings)) as client:
        page = " ".join(sign_in(client, context, "Ana", "reviewer", BOT).open("/").split())
    assert "Slack refuses: token_revoked, since 2026-03-02 09:15 UTC. To mend it: install the app again" in page
    assert "Slack refuses C1: is_archived, since 2026-03-02 09:15 UTC. To mend it: invite the app" in page
    assert "not_in_channel" not in page  # no bot's channel


def test_who_answered_as_many_cards_as_the_bot_asks_for_is_told_so(context: Context, ana: Browser) -> None:
    for n in range(2):
        deal(context.engine, f"text {n}")
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, daily_limit=1)
    assert heading(ana.press(ana.open(REVIEW), answer="none")) == "That is enough for today"
