"""What folds, and what only looks alike."""

import pytest

from service.learning.folding import Utterance, folds, is_negation, key, numbers


def said(text: str, *, reply: str = "", before: str = "", entities: str = "") -> Utterance:
    return Utterance(text, reply, before, entities)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("where is my order"), said("Where is my order?")),
        (said("i want 2 chairs"), said("I want two chairs")),
        (said("mail me at <EMAIL_ADDRESS_1>"), said("mail me at <EMAIL_ADDRESS_2>")),
        (
            said("is it there yet", reply="Order 4711 is on its way."),
            said("is it there yet?", reply="Order 4712 is on its way"),
        ),
        (
            said("yes", reply="Shall I book it?", before="a table"),
            said("Yes!", reply="Shall I book it?", before="A table"),
        ),
        (said("it doesn't work at all"), said("it doesnt work at all")),
        (said("where is my order now", before="hi"), said("where is my order now", before="good morning")),
    ],
)
def test_the_same_said_twice_folds(one: Utterance, other: Utterance) -> None:
    assert folds(key(one), key(other), 0.95)
    assert not folds(key(one), key(other), 0.9499)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("please book it now"), said("please don't book it now")),
        (said("bitte buche das jetzt"), said("bitte buche das nicht jetzt")),
        (said("table for two please"), said("table for three please")),
        (said("cancel order 4711 please"), said("cancel order 4712 please")),
        (said("what about my order", reply="Anything else?"), said("what about my order", reply="It was sent.")),
        (said("what about my order", reply="Anything else?"), said("what about my order")),
        (said("fly to Rome on Monday", entities="city>date"), said("fly to Rome on Monday", entities="city")),
        (said("yes", reply="Sure?", before="cancel it"), said("yes", reply="Sure?", before="send it")),
        (said("the first one", reply="Which?"), said("the second one", reply="Which?")),
    ],
)
def test_what_matters_keeps_turns_apart(one: Utterance, other: Utterance) -> None:
    assert not folds(key(one), key(other), 1.0)


@pytest.mark.parametrize("word", ["no", "don't", "don’t", "dont", "ain't", "nicht", "não", "cannot"])
def test_negations(word: str) -> None:
    assert is_negation(word)


@pytest.mark.parametrize("word", ["it's", "knot", "note", "want", "i'm", "tent"])
def test_what_is_no_negation(word: str) -> None:
    assert not is_negation(word)


def test_numbers_in_digits_and_words() -> None:
    assert numbers("Two for 19:30, not 3,50; ORDER 0048 <PHONE_NUMBER_1> the second") == (
        "2",
        "19:30",
        "3,50",
        "0048",
        "#2",
    )
