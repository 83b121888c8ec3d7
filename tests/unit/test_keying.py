"""Ids that may be a person's own are keyed, whichever platform they come from, and what was alike stays alike."""

import doctest
from typing import Any

import pytest

from service.keyring import Keyring
from service.turns import keying
from service.turns.keying import is_personal, keyed_ids
from service.turns.schemas import Fact, Reply, Report, Turn
from tests.support.platforms import understood

KEYRING = Keyring(b"k" * 32)


def kept(name: str, body: object) -> list[Fact]:
    return [keyed_ids(fact, KEYRING, "shop") for fact in understood(name, body).facts]


def test_doctests() -> None:
    assert doctest.testmod(keying).failed == 0


@pytest.mark.parametrize(
    "own_id",
    [
        "+33612345678",
        "whatsapp:+1 (555) 013-4222",
        "%2B33612345678",
        "33612345678",
        "sms:33612345678",
        "+33612345678/m-1",
        "projects/p/sessions/33612345678/3",
        "ana@mail.example",
        "mailto:ana.b+c@mail.example/4",
        "33612345678@s.whatsapp.net",
        "content:0f",
    ],
)
def test_what_looks_like_an_address_is_keyed_in_a_conversations_id(own_id: str) -> None:
    assert is_personal(own_id, is_conversation=True)


@pytest.mark.parametrize("own_id", ["+33612345678/m-1", "33612345678:4", "conv|33612345678|1", "ana@mail.example/4"])
def test_a_messages_id_is_keyed_where_it_holds_such_a_conversation(own_id: str) -> None:
    assert is_personal(own_id, is_conversation=False)


@pytest.mark.parametrize(
    "own_id",
    [
        "c-81:4",
        "1772442904120",
        "a:1c/1772442904120",
        "19:meeting_MjdhNjM4@thread.v2",
        "19:ab12@thread.tacv2/1772442904120",
        "417720301556001",
        "215470000001234/14567890123",
        "0d1c9f0e-5a54-4c4c-9a51-12345678abcd",
        "a1b2c3d4e5f6/4",
        "2/41",
        "",
    ],
)
def test_other_ids_stay_for_their_owner_to_find_them_by(own_id: str) -> None:
    assert not is_personal(own_id, is_conversation=False)


@pytest.mark.parametrize("number", ["+33612345678", "33612345678"])
def test_turn_reply_and_report_of_a_telephone_number_still_find_each_other(number: str) -> None:
    where: dict[str, Any] = {"conversation": {"id": number}}
    said = {"type": "message", "id": "m-1", "text": "hi", "from": {"role": "user"}} | where
    answered = {"type": "message", "id": "m-2", "text": "yes?", "from": {"role": "bot"}, "replyToId": "m-1"} | where
    disliked = {"type": "messageReaction", "replyToId": "m-2", "reactionsAdded": [{"type": "sad"}]} | where
    (turn,), (reply,), (report,) = (kept("bot_framework", body) for body in (said, answered, disliked))
    assert isinstance(turn, Turn) and isinstance(reply, Reply) and isinstance(report, Report)
    assert (reply.turn_external_id, report.reply_external_id) == (turn.external_id, reply.external_id)
    assert turn.conversation_id == reply.conversation_id == report.conversation_id
    assert turn.external_id != reply.external_id
    for fact in (turn, reply, report):
        assert number not in f"{fact.external_id} {fact.conversation_id}"
        assert len(fact.conversation_id) == len(fact.external_id) == 32


def test_a_session_of_lex_is_keyed_and_its_request_is_not() -> None:
    record = {"requestId": "6d2f-1", "sessionId": "33612345678", "inputTranscript": "hi"}
    (turn,) = kept("lex", record)
    assert isinstance(turn, Turn)
    assert (turn.external_id, len(turn.conversation_id)) == ("6d2f-1", 32)
    (other,) = kept("lex", record | {"sessionId": "33612345679"})
    assert isinstance(other, Turn)
    assert other.conversation_id != turn.conversation_id
