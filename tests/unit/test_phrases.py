"""Key phrases of clusters."""

import doctest
from collections.abc import Sequence

import pytest

from service.turns.store import Saying
from workers import phrases
from workers.phrases import key_phrases


def said(texts: Sequence[str], *persons: str) -> list[Saying]:
    """By a person each, unless told."""
    return [Saying(text, persons[i % len(persons)] if persons else f"p{i}") for i, text in enumerate(texts)]


def test_key_phrases_are_what_the_rest_of_the_log_does_not_say() -> None:
    gift = said([f"can i use a gift card for {what}" for what in ("this", "the sofa", "my order", "a lamp")])
    rest = said([f"can i use {what} for my order" for what in ("a van", "the app", "this", "a code", "cash")])
    assert key_phrases([gift], [*gift, *rest])[0][0] == "gift card"


def test_in_a_small_log_too_what_everybody_says_is_no_key_phrase() -> None:
    """A tenth of a log of 400: where `to` stands in nine of ten texts, and in six of ten of the rest."""
    parking = said(
        [f"is there guest parking close by {'to' if i % 10 else 'for'} the downtown store at night" for i in range(40)]
    )
    rest = said([f"i want {'to' if i % 5 < 3 else 'my'} order {i}" for i in range(360)])
    found = key_phrases([parking], [*parking, *rest])[0]
    assert "to" not in found
    assert "parking" in " ".join(found)


@pytest.mark.parametrize("persons", [("ana", "ben"), ("", "ben"), ("",)])
def test_what_two_persons_say_is_no_key_phrase(persons: tuple[str, ...]) -> None:
    texts = said([f"my name is rosalind {i}" for i in range(30)], *persons)
    assert key_phrases([texts], [*texts, *said(["a sofa", "the lamp"])]) == [()]


def test_texts_without_words_have_no_key_phrases() -> None:
    assert key_phrases([said(["?!", "...", ":)"]), []], said(["?!", "...", ":)"])) == [(), ()]


def test_words_keep_their_marks_and_scripts_without_spaces_are_left_out() -> None:
    hindi = said(["मुझे रिफंड चाहिए", "रिफंड कब", "मेरा रिफंड"])
    assert key_phrases([hindi], [*hindi, *said(["a sofa", "the lamp"])]) == [("रिफंड",)]
    chinese = said(["我要退款", "退款在哪里", "请退款 visa", "退款 visa", "visa 退款"])
    assert key_phrases([chinese], [*chinese, *said(["a sofa", "the lamp"])]) == [("visa",)]


def test_examples() -> None:
    assert doctest.testmod(phrases).failed == 0
