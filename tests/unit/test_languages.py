"""Whether a text is in the encoder's languages, and when that is not said."""

import pytest

from service import database, tables
from service.bots.store import update_bot
from tests.support.shop import AT, BOT, add_turn, open_shop
from workers.languages import ENGLISH, encoder_languages, foreign_share, is_foreign, primary


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("where is my order", "", False),
        ("i cant log in", "", False),
        ("necesito ayuda con mi pedido", "", True),
        ("où est ma commande", "", True),
        ("ich möchte mein abo kündigen", "", True),
        ("waar is mijn bestelling", "", True),
        ("giriş yapamıyorum", "", True),
        ("где мой заказ", "", True),
        ("注文はどこですか", "", True),
        ("أين طلبي", "", True),
        ("ok", "", None),
        ("hola", "", None),
        ("order 12345", "", None),
        ("hola", "es-MX", True),
        ("where is my order", "es", True),  # the platform is believed
        ("necesito ayuda con mi pedido", "en_GB", False),
    ],
)
def test_a_text_outside_english(text, lang, expected):
    assert is_foreign(text, lang, ENGLISH) is expected


def test_any_of_the_encoders_languages_will_do():
    assert is_foreign("où est ma commande", "", frozenset({"en", "fr"})) is False
    assert is_foreign("où est ma commande", "", frozenset({"en", "de"})) is True


def test_the_share_is_that_of_the_turns_that_can_be_judged(engine):
    open_shop(engine)
    open_shop(engine, "other")
    for i in range(15):
        add_turn(engine, f"where is my order number {i}")
        add_turn(engine, "ok")
    for _ in range(5):
        add_turn(engine, "¿dónde está mi paquete?")
        add_turn(engine, "wo ist meine bestellung", source="import")
        add_turn(engine, "wo ist meine bestellung", bot="other")
    with database.reading(engine) as connection:
        assert foreign_share(connection, BOT) == 0.25
        assert foreign_share(connection, "other") == 0.0  # five turns say nothing


def test_the_share_is_that_outside_the_bots_own_encoder(sqlite_engine, tmp_path):
    open_shop(sqlite_engine)
    for i in range(20):
        add_turn(sqlite_engine, f"where is my order number {i}")
    card = tmp_path / "README.md"
    for languages, share in (("es", 1.0), ("[es, en]", 0.0), ("multilingual", 0.0)):
        card.write_text(f"---\nlanguage: {languages}\n---\n")
        with database.writing(sqlite_engine) as connection:
            assert foreign_share(connection, BOT, str(tmp_path)) == share
            update_bot(connection, BOT, AT, encoder=str(tmp_path))
            assert foreign_share(connection, BOT) == share
            update_bot(connection, BOT, AT, encoder="")


def test_the_share_believes_the_platform(engine):
    open_shop(engine)
    for _ in range(20):
        add_turn(engine, "ok")
    with database.writing(engine) as connection:
        connection.execute(tables.turn.update().values(lang="pt-BR"))
    with database.reading(engine) as connection:
        assert foreign_share(connection, BOT) == 1.0


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlanguage: en\n---\n# Model", {"en"}),
        ("---\nlanguage:\n- en\n- pt-BR\n- no\n---\n", {"en", "pt", "no"}),
        ("---\nlanguage:\n- multilingual\n- en\n---\n", None),
        ("---\nlicense: mit\n---\n", None),
        ("---\n: [\n---\n", None),
        ("# Model\n", None),
    ],
)
def test_a_models_card_names_its_languages(tmp_path, card, expected):
    (tmp_path / "README.md").write_text(card)
    assert encoder_languages(str(tmp_path)) == expected


@pytest.mark.model
def test_languages_without_a_card_are_unknown(tmp_path):
    assert encoder_languages("") == ENGLISH
    assert encoder_languages(str(tmp_path)) is None
    assert encoder_languages("nobody/nothing") is None
    assert encoder_languages("not a hub id") is None


def test_a_tags_primary_language():
    assert [primary(tag) for tag in ("en", "en-GB", "EN_us", "zh-Hant-TW")] == ["en", "en", "en", "zh"]
