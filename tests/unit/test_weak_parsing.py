"""Labelling functions in YAML: what is read, and how a fault is named."""

from itertools import count
from types import SimpleNamespace

import pytest

from service.errors import BadInput
from service.learning.weak import ABSTAINS
from service.weak import rules
from service.weak.parsing import MOST, SIZE_LIMIT, parse, try_out
from service.weak.rules import votes
from service.weak.schemas import Heard, Keywords, Nearest, PlatformIntent, Regex

GOOD = b"""
- {name: says refund, kind: keywords, intent: refund, words: [refund, money back, yes]}
- name: where
  kind: regex
  intent: track
  pattern: 'where.*(parcel|order)'
- {name: platform, kind: platform_intent, min_score: 0.9}
- {name: alike, kind: nearest, min_cosine: 0.85}
"""


def test_every_kind_is_read_and_yes_stays_a_word() -> None:
    assert parse(GOOD) == [
        Keywords(name="says refund", intent="refund", words=("refund", "money back", "yes")),
        Regex(name="where", intent="track", pattern="where.*(parcel|order)"),
        PlatformIntent(name="platform", min_score=0.9),
        Nearest(name="alike", min_cosine=0.85),
    ]
    assert parse(b"") == parse(b"[]") == parse(b"# none\n") == parse(b"\xef\xbb\xbf[]") == []


REGEX = "- {name: a, kind: regex, intent: r, pattern: '%s'}"


@pytest.mark.parametrize(
    ("text", "path", "detail"),
    [
        ("- {name: a, kind: nearest, min_cosine: high}", "a.min_cosine", "Expected `float`"),
        ("- {name: a, kind: nearest, min_cosine: 1.5}", "a.min_cosine", "<= 1.0"),
        ("- {name: a, kind: nearest, min_cosine: nan}", "a.min_cosine", ">= 0.0"),
        ("- {name: a, kind: guess}", "a.kind", "Invalid value 'guess'"),
        ("- {name: a}", "a", "required field `kind`"),
        ("- {kind: nearest}", "function 1", "required field `name`"),
        ("- {name: a, kind: nearest, min_cosin: 0.9}", "a", "unknown field `min_cosin`"),
        ("- {name: a, kind: keywords, intent: r, words: refund}", "a.words", "Expected `array`"),
        ("- {name: a, kind: keywords, intent: r, words: []}", "a.words", "length >= 1"),
        ("- {name: a, kind: keywords, intent: r, words: [b, [c]]}", "a.words[1]", "Expected `str`"),
        ("- {name: a, kind: keywords, intent: r, words: ['  ']}", "a.words", "blank"),
        ("- {name: a, kind: nearest}\n- {name: a, kind: nearest}", "a.name", "two functions"),
        ("- {name: a, name: b, kind: nearest}", "line 1", "twice"),
        ("- {name: a, kind: nearest}\n- &b [*b]", "line 2", "recursive"),
        ("- {name: a, kind: nearest", "line 1", "not YAML"),
        ("- !!python/object/apply:os.getcwd []", "function 1", "Expected `object`"),
        ("a: b", "", "no list"),
        ("{}", "", "no list"),
        ("''", "", "no list"),
        ("[" * 5000, "", "not YAML"),
        ("- {name: \0}", "", "not YAML"),
        (f"# {'x' * SIZE_LIMIT}", "", "too many"),
        (f"[{'x,' * (MOST + 1)}]", "", f"{MOST + 1} functions"),
        (REGEX % "(a", "a.pattern", "missing )"),
        (REGEX % "(a+)+$", "a.pattern", "too long"),
        (REGEX % "a*", "a.pattern", "empty text"),
    ],
)
def test_a_fault_is_named_by_function_and_field(text: str, path: str, detail: str) -> None:
    with pytest.raises(BadInput) as caught:
        try_out(parse(text.encode()))
    assert (caught.value.status, caught.value.path) == (400, path)
    assert detail in caught.value.detail


def test_what_each_kind_says() -> None:
    ids = {"refund": 3, "track": 5}
    turns = [
        Heard("I want my MONEY back", "track", 0.95),
        Heard("refunds", "track", 0.5),
        Heard("Where is that order", "unknown", 0.99),
        Heard("", "refund", None),
    ]
    assert votes(parse(GOOD), turns, ids).tolist() == [
        [3, ABSTAINS, 5, ABSTAINS],
        [ABSTAINS, ABSTAINS, ABSTAINS, ABSTAINS],
        [ABSTAINS, 5, ABSTAINS, ABSTAINS],
        [ABSTAINS, ABSTAINS, ABSTAINS, ABSTAINS],
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_what_is_no_utf8_is_refused_with_the_mend(encoding: str) -> None:
    with pytest.raises(BadInput, match="not UTF-8") as caught:
        parse("- {name: é, kind: nearest}".encode(encoding))
    assert "save it as UTF-8" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("word", "text", "is_said"),
    [
        ("refund", "a refund, please", True),
        ("refund", "refunds", False),
        ("refund", "unrefund", False),
        ("退款", "我要退款", True),
        ("退款", "我要退款谢谢", True),
        ("退款", "visa退款2", True),
        ("refund", "我要refund谢谢", True),
        ("refund", "我要refunds谢谢", False),
        ("キャンセル", "注文をキャンセルしたい", True),
        ("คืนเงิน", "ขอคืนเงินหน่อย", True),
        ("ပြန်အမ်း", "ငွေပြန်အမ်းပါ", True),
        ("환불", "환불 해주세요", True),
        ("रिफंड", "मुझे रिफंड चाहिए", True),
        ("रिफ", "मुझे रिफंड चाहिए", False),
    ],
)
def test_a_word_is_whole_where_its_script_has_spaces(word: str, text: str, is_said: bool) -> None:
    function = Keywords(name="a", intent="refund", words=(word,))
    assert votes([function], [Heard(text)], {"refund": 3}).tolist() == [[3 if is_said else ABSTAINS]]


def test_a_function_of_an_archived_intent_says_nothing() -> None:
    assert votes(parse(GOOD), [Heard("refund")], {"track": 5}).tolist() == [[ABSTAINS] * 4]


def test_no_function_and_no_turn() -> None:
    assert votes([], [Heard("refund")], {}).shape == (1, 0)
    assert votes(parse(GOOD), [], {"refund": 3}).shape == (0, 4)


def test_all_functions_together_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second whenever somebody looks at it."""
    seconds = count()
    monkeypatch.setattr(rules, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    many = [Keywords(name=str(i), intent="refund", words=("money",)) for i in range(50)]
    quick = [Heard("money")]
    assert (votes(many[:5], quick, {"refund": 3}) == 3).all()
    begun = next(seconds)
    assert (votes(many, quick * 200, {"refund": 3}) == ABSTAINS).all()
    assert next(seconds) - begun <= rules.MOST_S + 3 * len(many)


def test_a_pattern_that_does_not_end_says_nothing() -> None:
    slow = Regex(name="slow", intent="refund", pattern="(a+)+$")
    assert votes([slow], [Heard("a"), Heard("a" * 4000 + "!")], {"refund": 3}).tolist() == [[ABSTAINS], [ABSTAINS]]
