"""Keys, sign-in links and sessions, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from service import tables as t
from service.access import keys, people, sessions
from service.access.log import Wanted, list_entries
from service.access.roles import Principal, Reach, Role
from service.bots.store import create_bot
from service.database import reading, writing
from service.errors import BadInput, BotNotFound, Forbidden, KeyNotFound, NotFound, SignInSpent, Unauthorized

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with writing(engine) as connection:
        create_bot(connection, "shop", NOW)
    return engine


def make_key(engine: sa.Engine, role: Role = "reviewer", bot: str | None = "shop", name: str = "Ana") -> str:
    with writing(engine) as connection:
        return keys.create_key(connection, name=name, role=role, bot=bot, now=NOW)


def holder(engine: sa.Engine, key: str, now: datetime = NOW) -> Principal:
    with reading(engine) as connection:
        return keys.principal_of_key(connection, key, now)


def actions(engine: sa.Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.scalars(sa.select(t.audit_log.c.action).order_by(t.audit_log.c.id)))


def test_a_key_says_who_holds_it(shop: sa.Engine) -> None:
    assert holder(shop, make_key(shop)) == Principal("Ana", "reviewer", "shop", "key")
    assert holder(shop, make_key(shop, "operator", None)) == Principal("Ana", "operator", None, "key")


def test_who_read_a_key_before_it_was_revoked_makes_no_successor(
    shop: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = keys.id_of(make_key(shop))
    with writing(shop) as connection:
        read_before = keys.get_key(connection, key_id)
        keys.revoke_key(connection, key_id, NOW)
    monkeypatch.setattr(keys, "get_key", lambda *_: read_before)
    with writing(shop) as connection:
        keys.revoke_key(connection, key_id, NOW + MINUTE)
        with pytest.raises(BadInput, match="is revoked"):
            keys.rotate_key(connection, key_id, NOW + MINUTE)
    assert actions(shop).count("key.revoke") == 1 and "key.rotate" not in actions(shop)


def test_no_table_holds_a_key_or_its_secret(shop: sa.Engine) -> None:
    key = make_key(shop)
    secret = key.removeprefix("fp_").partition("_")[2]
    with reading(shop) as connection:
        for table in t.metadata.sorted_tables:
            stored = str(connection.execute(sa.select(table)).all())
            assert secret not in stored, table.name


@pytest.mark.parametrize("wrong", ["", "fp_", "fp__", "fp_0000_x", "nonsense", "é" * 300, "fp_\0_x"])
def test_a_wrong_key_is_nobody_s(shop: sa.Engine, wrong: str) -> None:
    with pytest.raises(Unauthorized):
        holder(shop, wrong)


def test_a_key_with_another_secret_or_cut_short_is_nobody_s(shop: sa.Engine) -> None:
    key = make_key(shop)
    for wrong in (key[:-1], key + "A", key.rpartition("_")[0] + "_" + "A" * 43, key.removeprefix("fp_")):
        with pytest.raises(Unauthorized):
            holder(shop, wrong)


def test_a_revoked_key_is_refused_at_once(shop: sa.Engine) -> None:
    key = make_key(shop)
    with writing(shop) as connection:
        keys.revoke_key(connection, keys.id_of(key), NOW)
        again = keys.revoke_key(connection, keys.id_of(key), NOW + MINUTE)
    assert again.revoked_at == NOW
    with pytest.raises(Unauthorized):
        holder(shop, key)
    assert actions(shop)[-2:] == ["key.create", "key.revoke"]


def test_a_rotated_key_is_valid_until_its_grace_ends(shop: sa.Engine) -> None:
    old = make_key(shop)
    with writing(shop) as connection:
        new = keys.rotate_key(connection, keys.id_of(old), NOW, grace=10 * MINUTE)
    assert holder(shop, new, NOW + 20 * MINUTE) == holder(shop, old, NOW + 9 * MINUTE)
    with pytest.raises(Unauthorized):
        holder(shop, old, NOW + 10 * MINUTE)


def test_rotating_twice_never_prolongs_the_first(shop: sa.Engine) -> None:
    old = make_key(shop)
    with writing(shop) as connection:
        keys.rotate_key(connection, keys.id_of(old), NOW, grace=MINUTE)
        keys.rotate_key(connection, keys.id_of(old), NOW, grace=60 * MINUTE)
    with pytest.raises(Unauthorized):
        holder(shop, old, NOW + MINUTE)


def test_a_revoked_key_is_not_rotated_back_to_life(shop: sa.Engine) -> None:
    key = make_key(shop)
    with writing(shop) as connection:
        keys.revoke_key(connection, keys.id_of(key), NOW)
        with pytest.raises(BadInput, match="revoked"):
            keys.rotate_key(connection, keys.id_of(key), NOW)
        with pytest.raises(KeyNotFound):
            keys.rotate_key(connection, "nope", NOW)


def test_lists_show_a_bot_s_keys_and_no_other_s(shop: sa.Engine) -> None:
    make_key(shop, name="Ana"), make_key(shop, "operator", None, name="Op")
    with reading(shop) as connection:
        assert [key.name for key in keys.list_keys(connection, "shop")] == ["Ana"]
        assert {key.name for key in keys.list_keys(connection)} == {"Ana", "Op"}


@pytest.mark.parametrize(
    ("name", "role", "bot", "path"),
    [
        ("", "reader", "shop", "name"),
        ("  ", "reader", "shop", "name"),
        ("x" * 81, "reader", "shop", "name"),
        ("a\nb", "reader", "shop", "name"),
        (" slack:U1", "reader", "shop", "name"),
        ("Ana", "king", "shop", "role"),
        ("Ana", "operator", "shop", "role"),
    ],
)
def test_a_key_of_nonsense_is_refused(shop: sa.Engine, name: str, role: Role, bot: str, path: str) -> None:
    with pytest.raises(BadInput) as refused:
        make_key(shop, role, bot, name)
    assert refused.value.path == path


def test_a_key_for_no_such_bot_is_refused(shop: sa.Engine) -> None:
    with pytest.raises(BotNotFound):
        make_key(shop, "reader", "bank")


def make_link(engine: sa.Engine, name: str = "", role: Role = "reviewer") -> str:
    with writing(engine) as connection:
        return sessions.create_sign_in(connection, name=name, role=role, bot="shop", now=NOW)


def redeem(engine: sa.Engine, token: str, name: str = "Ana", now: datetime = NOW) -> str:
    with writing(engine) as connection:
        return sessions.redeem(connection, token, name, now)


def test_a_link_opens_one_session_in_the_name_that_is_typed(shop: sa.Engine) -> None:
    token = make_link(shop)
    session = redeem(shop, token, " Ana ")
    with reading(shop) as connection:
        assert sessions.principal_of_session(connection, session, NOW) == Principal(
            "Ana", "reviewer", "shop", "session"
        )
    with pytest.raises(SignInSpent):
        redeem(shop, token)


def test_a_link_with_a_name_keeps_it(shop: sa.Engine) -> None:
    session = redeem(shop, make_link(shop, name="Ana"), "Mallory")
    with reading(shop) as connection:
        assert sessions.principal_of_session(connection, session, NOW).name == "Ana"


def test_looking_at_a_link_does_not_spend_it(shop: sa.Engine) -> None:
    token = make_link(shop)
    with reading(shop) as connection:
        assert sessions.look_at(connection, token, NOW) == sessions.look_at(connection, token, NOW)
    redeem(shop, token)
    with reading(shop) as connection, pytest.raises(SignInSpent):
        sessions.look_at(connection, token, NOW)


def test_a_link_lives_fifteen_minutes(shop: sa.Engine) -> None:
    token = make_link(shop)
    with pytest.raises(SignInSpent):
        redeem(shop, token, now=NOW + 15 * MINUTE)
    redeem(shop, token, now=NOW + 14 * MINUTE)


def test_a_bad_name_does_not_spend_the_link(shop: sa.Engine) -> None:
    token = make_link(shop)
    with pytest.raises(BadInput, match="1 to 80"):
        redeem(shop, token, " ")
    redeem(shop, token, "Ana")


def test_a_session_ends_at_sign_out_and_after_a_fortnight(shop: sa.Engine) -> None:
    session = redeem(shop, make_link(shop))
    with reading(shop) as connection, pytest.raises(Unauthorized):
        sessions.principal_of_session(connection, session, NOW + timedelta(days=14))
    with writing(shop) as connection:
        sessions.close_session(connection, session, NOW)
        sessions.close_session(connection, session, NOW)
    with reading(shop) as connection, pytest.raises(Unauthorized):
        sessions.principal_of_session(connection, session, NOW)
    assert actions(shop)[-3:] == ["sign_in.create", "session.open", "session.close"]


def test_a_session_is_listed_until_it_ends_and_whoever_may_ends_it(shop: sa.Engine) -> None:
    by_link = redeem(shop, make_link(shop, name="Ana"))
    key, operators = make_key(shop, "owner", name="Ben"), make_key(shop, "operator", None, name="Olu")
    with writing(shop) as connection:
        by_key = sessions.open_by_key(connection, key, NOW + MINUTE)
        sessions.open_by_key(connection, operators, NOW + 2 * MINUTE)

    def listed(bot: str | None, now: datetime = NOW + 3 * MINUTE) -> list[sessions.Session]:
        with reading(shop) as connection:
            return sessions.list_sessions(connection, now, bot)

    ben, ana = listed("shop")
    assert (ana.name, ana.role, ana.bot, ana.created_at, ana.key_id) == ("Ana", "reviewer", "shop", NOW, None)
    assert (ben.name, ben.role, ben.created_at, bool(ben.key_id)) == ("Ben", "owner", NOW + MINUTE, True)
    assert [one.name for one in listed(None)] == ["Olu", "Ben", "Ana"]
    assert listed(None, NOW + timedelta(days=15)) == []
    with writing(shop) as connection:
        for _ in range(2):
            sessions.end_session(connection, ana.id, NOW + 3 * MINUTE, who="Olga")
        keys.revoke_key(connection, ben.key_id or "", NOW + 3 * MINUTE)
        for unknown in ("", "%", ana.id[:-1], "a\0b"):
            with pytest.raises(NotFound):
                sessions.end_session(connection, unknown, NOW, who="Olga")
    assert listed("shop") == []
    with reading(shop) as connection:
        for token in (by_link, by_key):
            with pytest.raises(Unauthorized):
                sessions.principal_of_session(connection, token, NOW + 3 * MINUTE)
        ended = list_entries(connection, "shop", Wanted(action="session.end"), None, 50).items
    assert [(entry.who, entry.details) for entry in ended] == [("Olga", {"session": ana.id, "name": "Ana"})]


def test_ingest_is_a_role_of_keys_only(shop: sa.Engine) -> None:
    with pytest.raises(BadInput, match="keys"):
        make_link(shop, role="ingest")


def test_a_session_that_a_key_opened_ends_with_the_key(shop: sa.Engine) -> None:
    key = make_key(shop)
    with writing(shop) as connection:
        session = sessions.open_by_key(connection, key, NOW)
        keys.rotate_key(connection, keys.id_of(key), NOW, grace=10 * MINUTE)
    with reading(shop) as connection:
        who = sessions.principal_of_session(connection, session, NOW + 9 * MINUTE)
        assert who == Principal("Ana", "reviewer", "shop", "session")
        with pytest.raises(Unauthorized):
            sessions.principal_of_session(connection, session, NOW + 10 * MINUTE)
    sender = make_key(shop, "ingest")
    with writing(shop) as connection, pytest.raises(BadInput, match="ingest"):
        sessions.open_by_key(connection, sender, NOW)


def test_a_person_has_what_was_granted_for_the_bot_that_is_asked_for(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        create_bot(connection, "bank", NOW)
        for _ in range(2):
            people.grant(connection, "ana", "bank", "owner", NOW, who="Olu")
            people.grant(connection, "ana", "shop", "reviewer", NOW, who="Olu")
        people.grant(connection, "ana", None, "reader", NOW, who="Olu")
    of_shop, of_bank, of_all = Reach("reviewer", "shop"), Reach("owner", "bank"), Reach("reader", None)
    with reading(shop) as connection:
        found = people.principal_of_person(connection, "ana", "shop", "")
        assert found == Principal("ana", "reviewer", "shop", "proxy", (of_all, of_bank))
        found = people.principal_of_person(connection, "ana", None, "")
        assert (found.role, found.bot, found.besides) == ("reader", None, (of_bank, of_shop))
        assert people.principal_of_person(connection, "ben", "shop", "reader").bot is None
        with pytest.raises(Forbidden, match="nobody granted ben"):
            people.principal_of_person(connection, "ben", "shop", "")
        entries = list_entries(connection, "shop", Wanted(action="person.grant"), None, 50).items
        assert [(entry.who, entry.details) for entry in entries] == [("Olu", {"person": "ana", "role": "reviewer"})]
    with writing(shop) as connection:
        assert people.revoke(connection, "ana", "shop", NOW, who="Olu").role == "reviewer"
        for nobody in ("ana", "a\0b"):
            with pytest.raises(NotFound):
                people.revoke(connection, nobody, "shop", NOW, who="Olu")
        with pytest.raises(BadInput, match="operator"):
            people.grant(connection, "ana", "shop", "operator", NOW, who="Olu")
