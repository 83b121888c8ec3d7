"""What the importers make of files, good and bad: bytes in, intents or one error with its place out."""

from collections.abc import Callable

import pytest

from integrations.formats.importers import IMPORTERS
from integrations.formats.intents_csv import parse_csv
from integrations.formats.rasa_nlu import parse_rasa
from service.errors import BadInput
from service.intents.parsing import check_all, parse_jsonl
from service.intents.schemas import ParsedExample, ParsedIntent
from service.turns.schemas import Entity

RASA = b"""version: "3.1"
nlu:
- intent: book_flight
  examples: |
    - fly me to [Lyon](city)
    - from [NYC]{"entity": "city", "role": "from", "value": "New York"} to [Oslo](city:oslo) please

- synonym: New York
  examples: |
    - NYC
- intent: yes
  examples:
  - text: |
      sure thing
    metadata: {sentiment: neutral}
  - [hm] ok
stories: []
"""
RASA = RASA.replace(b"  - [hm] ok\n", b'  - "[hm] ok"\n')


def test_rasa_intents_come_with_their_spans() -> None:
    flight, yes = parse_rasa(RASA)
    assert flight == ParsedIntent(
        "book_flight",
        "line 3",
        examples=(
            ParsedExample("fly me to Lyon", "line 5", (Entity("city", "Lyon", 10, 14),)),
            ParsedExample(
                "from NYC to Oslo please", "line 6", (Entity("city", "NYC", 5, 8), Entity("city", "Oslo", 12, 16))
            ),
        ),
    )
    assert (yes.name, [example.text for example in yes.examples]) == ("yes", ["sure thing", "[hm] ok"])


def test_rasa_spans_say_what_the_text_says() -> None:
    for intent in parse_rasa(RASA):
        for example in intent.examples:
            assert [example.text[span.start : span.end] for span in example.entities] == [
                span.value for span in example.entities
            ]


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        (b"nlu:\n- intent: a\n  examples: |\n    - x\n    y\n", "line 5", "begin with a dash"),
        (b'nlu:\n- intent: a\n  examples: |\n    - [x]{"role": "y"}\n', "line 4", "names no entity"),
        (b"nlu:\n- intent: a\n  examples: |\n    - [x]{role}\n", "line 4", "names no entity"),
        (b"nlu:\n- intent:\n", "line 2", "names no intent"),
        (b"nlu:\n- hello\n", "line 2", "not a mapping"),
        (b"nlu:\n- intent: a\n  examples: {x: y}\n", "line 3", "neither a block of text nor a list"),
        (b"nlu:\n- intent: a\n  examples:\n  - metadata: 1\n", "line 4", "has no text"),
        (b"intents:\n- a\n", "line 1", "no list under `nlu:`"),
        (b"", "line 1", "no list under `nlu:`"),
        (b"nlu: [\n", "line 2", "not YAML"),
        (b"\xff\xfe\xff", "line 1", "not YAML"),
        (b"[" * 50_000, "line 1", "nests too deeply"),
    ],
)
def test_bad_rasa_files_are_refused_by_line(data: bytes, place: str, says: str) -> None:
    _refused(parse_rasa, data, place, says)


def test_yaml_bombs_do_not_grow() -> None:
    bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (ord("a") + n, ord("a") + n, b",".join([b"*%c" % (ord("a") + n - 1)] * 9))
        for n in range(1, 20)
    )
    assert parse_rasa(bomb + b"nlu:\n- intent: a\n") == [ParsedIntent("a", "line 22")]


@pytest.mark.parametrize(
    "data",
    [
        b"name,description,example\nrefund,money back,I want my money\n",
        b"\xef\xbb\xbfExample;Name;Description\r\nI want my money;refund;money back\r\n",
        b"text\tintent\tdescription\nI want my money\trefund\tmoney back\n\n",
    ],
)
def test_tables_differ_in_order_separator_and_words_for_columns(data: bytes) -> None:
    assert parse_csv(data) == [
        ParsedIntent("refund", "line 2", "money back", (ParsedExample("I want my money", "line 2"),))
    ]


def test_a_row_without_example_only_names_its_intent() -> None:
    assert parse_csv(b"name,description,example\nrefund,money back,\n") == [
        ParsedIntent("refund", "line 2", "money back")
    ]


def test_a_quoted_cell_keeps_its_commas_and_lines() -> None:
    (intent,) = parse_csv(b'name,example\nrefund,"money, now\nplease"\n')
    assert intent.examples[0].text == "money, now\nplease"


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        (b"refund,I want my money\n", "line 1", "no single column 'name'"),
        (b"name,intent,example\n", "line 1", "no single column 'name'"),
        (b"", "line 1", "no single column 'name'"),
        (b"name,example\nrefund,money, now\n", "line 2", "3 cells under 2 columns"),
        (b'name,example\nrefund,"money" now\n', "line 2", "not CSV"),
        (b'name,example\nrefund,"money', "line 2", "not CSV"),
        (b"name,example\nrefund,m\xf6ney\n", "line 2", "not UTF-8"),
        (b"name,example\nrefund," + b"x" * 200_000 + b"\n", "line 2", "not CSV"),
    ],
)
def test_bad_tables_are_refused_by_line(data: bytes, place: str, says: str) -> None:
    _refused(parse_csv, data, place, says)


def test_lines_are_intents_or_examples() -> None:
    data = (
        b"""{"name": "refund", "description": "money back", "examples": ["my money", {"text": "30 euros back",
 "entities": []}]}""".replace(b"\n", b"")
        + (
            b'\n\n{"text": "go to Lyon", "intent": "book", "split": "test",'
            b' "entities": [{"type": "city", "start": 6, "end": 10, "text": "Lyon"}]}\r\n'
            b'{"text": "hm", "intent": null}\n'
        )
    )
    assert parse_jsonl(data) == [
        ParsedIntent(
            "refund",
            "line 1",
            "money back",
            (ParsedExample("my money", "line 1, examples[0]"), ParsedExample("30 euros back", "line 1, examples[1]")),
        ),
        ParsedIntent(
            "book",
            "line 3",
            examples=(ParsedExample("go to Lyon", "line 3", (Entity("city", "Lyon", 6, 10),), is_test=True),),
        ),
        ParsedIntent("none", "line 4", examples=(ParsedExample("hm", "line 4"),)),
    ]


@pytest.mark.parametrize(
    ("line", "place", "says"),
    [
        (b'{"name": 1}', "line 2, name", "Expected `str`"),
        (b'{"name": "a", "examples": [3]}', "line 2, examples[0]", "Expected `str | object`"),
        (b'{"text": "a"}', "line 2", "missing required field `intent`"),
        (b"[1]", "line 2", "Expected `object`"),
        (b"{", "line 2", "not JSON"),
        (b'{"name": "\xff"}', "line 2", "not JSON in UTF-8"),
        (b'{"text": "\\ud800", "intent": "a"}', "line 2", "not JSON"),
        (b'{"name": "a", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "line 2", "not JSON"),
        (
            b'{"name": "a", "examples": [{"text": "abc", "entities": [{"type": "t", "start": 2, "end": 9}]}]}',
            "line 2, examples[0], entities[0]",
            "not in the text",
        ),
        (
            b'{"text": "abc", "intent": "a", "entities": [{"type": "t", "start": 0, "end": 2, "value": "bc"}]}',
            "line 2, entities[0]",
            "the text has 'ab' there",
        ),
    ],
)
def test_bad_lines_are_refused_by_line(line: bytes, place: str, says: str) -> None:
    _refused(parse_jsonl, b'{"name": "fine"}\n' + line, place, says)


@pytest.mark.parametrize(
    ("text", "says"),
    [("  ", "empty"), ("x" * 4_001, "4001 characters"), ("a\0b", "NUL"), ("a\ud800", "surrogate")],
)
def test_texts_that_cannot_be_stored_are_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        check_all([ParsedIntent("a", "line 1", examples=(ParsedExample(text, "line 7"),))])
    assert refused.value.path == "line 7"


@pytest.mark.parametrize(
    ("kinds", "lang", "says"),
    [
        ([""], "", "no name of an entity"),
        (["x" * 101], "", "no name of an entity"),
        (["a\0b"], "", "no name of an entity"),
        (["city"] * 101, "", "101 entities"),
        ([], "x" * 36, "no language"),
        ([], "\0", "no language"),
    ],
)
def test_what_a_label_cannot_hold_is_refused(kinds: list[str], lang: str, says: str) -> None:
    entities = tuple(Entity(kind, "Lyon", 0, 4) for kind in kinds)
    example = ParsedExample("Lyon", "line 7", entities, lang)
    with pytest.raises(BadInput, match=says) as error:
        check_all([ParsedIntent("a", "line 1", examples=(example,))])
    assert error.value.path == "line 7"


def test_every_format_has_its_importer() -> None:
    assert sorted(IMPORTERS) == ["clu", "csv", "dialogflow_cx", "jsonl", "lex", "rasa"]


def _refused(parse: Callable[[bytes], list[ParsedIntent]], data: bytes, place: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(data)
    assert refused.value.path == place
    assert says in refused.value.detail
