"""What each format makes of an export: the platform's fields, its limits, and where a row comes from."""

import csv
import doctest
import importlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from integrations.formats import brackets, clu, dialogflow_cx, lex
from integrations.formats.exporters import EXPORTERS
from integrations.formats.names import Names
from integrations.formats.yaml_quoting import quoted
from service.exports.schemas import Export, ExportIntent, ExportRow
from service.turns.schemas import Entity
from tests.support.exports import INTENTS, NAMES, TEXTS, TRAPS, export, row, spanned, trapped

PROVENANCE = {
    "turn_id": 1,
    "label_id": 101,
    "origin": "vote",
    "weight": 0.5,
    "votes": 3,
    "agreed": 2,
    "labelled_at": "2026-11-28T03:00:00Z",
}


class StrictLoader(yaml.SafeLoader):
    """Safe YAML in which no key may be said twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        assert len(keys) == len(set(keys)), f"twice in one mapping: {keys}"
        return super().construct_mapping(node, deep)


def written(format_name: str, made: Export | None = None) -> bytes:
    return b"".join(EXPORTERS[format_name].write(made or trapped()))


def strict(data: bytes) -> Any:
    return yaml.load(data, StrictLoader)  # noqa: S506  # it is the safe one


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def unzipped(data: bytes) -> dict[str, Any]:
    """A zip's files by path, read as JSON or JSON Lines."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len({name.lower() for name in archive.namelist()})
        files = {name: archive.read(name) for name in archive.namelist()}
    return {path: lines(data) if path.endswith("l") else json.loads(data) for path, data in files.items()}


def test_every_format_has_its_writer() -> None:
    assert {name: (format.suffix, format.has_test) for name, format in EXPORTERS.items()} == {
        "rasa": (".yml", False),
        "dialogflow_cx": (".zip", False),
        "lex": (".zip", False),
        "clu": (".json", True),
        "csv": (".csv", True),
        "jsonl": (".jsonl", True),
        "datasets": (".zip", True),
        "chat": (".jsonl", False),
    }


@pytest.mark.parametrize("name", ["brackets", "clu", "lex_locales", "names", "spans", "yaml_quoting"])
def test_examples_in_docstrings_are_true(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"integrations.formats.{name}"))
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize("format_name", sorted(EXPORTERS))
def test_the_same_export_gives_the_same_bytes(format_name: str) -> None:
    assert written(format_name) == written(format_name)


@pytest.mark.parametrize("format_name", sorted(EXPORTERS))
def test_rows_are_written_while_they_are_read(format_name: str) -> None:
    """At most an intent's are held, of fifty; and nothing is asked for before somebody asks for the file."""
    asked = [0]

    def rows() -> Iterator[ExportRow]:
        for n in range(500):
            asked[0] += 1
            yield row(n, f"text {n} {'z' * 50}", f"intent {n // 10:02}", ("text", "word"))

    names = [ExportIntent(name=f"intent {n:02}", description="") for n in range(50)]
    stream = EXPORTERS[format_name].write(export(names, rows()))
    assert asked == [0]
    next(stream)
    assert asked[0] <= 11
    seen = {asked[0] for _ in stream}
    assert len(seen) >= 50
    assert asked == [500]


def test_rows_that_are_out_of_order_do_not_vanish() -> None:
    rows = [row(1, "a", "yes"), row(2, "b", "Book flight")]
    with pytest.raises(ValueError, match="rows of the intent 'Book flight' are not where"):
        written("rasa", export(INTENTS, rows))


def test_rasa_is_strict_yaml_with_brackets_synonyms_and_metadata() -> None:
    lyons = msgspec.structs.replace(row(2, "to lyon", "yes"), entities=(Entity("city", "Lyon", 3, 7),))
    times = row(3, "at 5: [x]", "yes", ("5", "the time: (h)"))
    rows = [row(1, "fly to Lyon", "yes", ("Lyon", "city"), lang="en"), lyons, times]
    read = strict(written("rasa", export(INTENTS[-1:], rows)))
    (intent,) = read["nlu"]
    assert read["version"] == "3.1"
    assert intent["intent"] == "yes"
    assert [example["text"] for example in intent["examples"]] == [
        "fly to [Lyon](city)",
        'to [lyon]{"entity": "city", "value": "Lyon"}',
        'at [5]{"entity": "the time: (h)"}: [x]',
    ]
    assert intent["examples"][0]["metadata"] == {"fencepost": {**PROVENANCE, "lang": "en"}}


def test_rasa_reads_no_annotation_that_is_none() -> None:
    """A text with brackets is written with round ones, whole in metadata; one without stays as it is."""
    found = {item["intent"]: item for item in strict(written("rasa"))["nlu"]}
    texts = {example["metadata"]["fencepost"]["turn_id"]: example for example in found["yes"]["examples"]}
    assert texts[15]["text"] == "see (docs)(http) or (x){y} or (a)(b)"
    assert json.loads(texts[15]["metadata"]["fencepost"]["exact"])["text"] == TRAPS[5]
    for turn_id in (10, 11, 12, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26):
        assert texts[turn_id]["text"] == TRAPS[turn_id - 10]
        assert "exact" not in texts[turn_id]["metadata"]["fencepost"]


def test_rasa_has_out_of_scope_where_no_intent_of_ours_has_that_name() -> None:
    def names(*intents: ExportIntent) -> list[str]:
        data = written("rasa", export(intents, [row(1, "hm", None)]))
        return [item["intent"] for item in strict(data)["nlu"]]

    assert names(INTENTS[0]) == ["Book flight", "out_of_scope"]
    assert names(INTENTS[3]) == ["out_of_scope", "out_of_scope_none"]
    assert strict(written("rasa", export((), ())))["nlu"] == []


@given(TEXTS)
def test_every_reader_of_yaml_takes_a_quoted_text_for_that_text(text: str) -> None:
    document = f"a: {quoted(text)}"
    assert yaml.load(document, yaml.CSafeLoader) == yaml.safe_load(document) == {"a": text}


@given(TEXTS, TEXTS)
def test_brackets_keep_every_span_and_all_but_square_brackets(text: str, kind: str) -> None:
    span = spanned(text, len(text) // 3, len(text), kind)
    read = brackets.read(brackets.write(text, (span,)), "")
    assert read.text in (text, text.translate(brackets.ROUND))
    assert [(entity.type, entity.start, entity.end) for entity in read.entities] == [
        (kind.strip(), span.start, span.end)
    ]


def test_dialogflow_has_phrases_in_parts_by_language() -> None:
    files = unzipped(written("dialogflow_cx"))
    assert files["intents/Book flight/trainingPhrases/en.json"]["trainingPhrases"] == [
        {
            "parts": [{"text": "fly to "}, {"text": "Lyon", "parameterId": "city"}],
            "repeatCount": 1,
            "languageCode": "en",
        },
        {
            "parts": [
                {"text": "from "},
                {"text": "Rome", "parameterId": "city"},
                {"text": " to "},
                {"text": "Bonn", "parameterId": "city"},
            ],
            "repeatCount": 1,
            "languageCode": "en",
        },
    ]
    settings = files["intents/Book flight/Book flight.json"]
    assert settings["parameters"][0] == {"id": "city", "entityType": "@city"}
    assert (settings["displayName"], settings["numTrainingPhrases"], settings["isFallback"]) == (
        "Book flight",
        4,
        False,
    )
    negative = files["intents/Default Negative Intent/Default Negative Intent.json"]
    assert (negative["isFallback"], negative["numTrainingPhrases"]) == (True, 1)
    assert files["entityTypes/city/entities/en.json"]["entities"][0] == {"value": "Lyon", "synonyms": ["Lyon"]}
    assert files["provenance/intents/Book flight.jsonl"][0]["provenance"] == PROVENANCE


@pytest.mark.parametrize("format_name", ["dialogflow_cx", "lex"])
def test_names_that_a_platform_does_not_take_stand_in_a_table(format_name: str) -> None:
    named = unzipped(written(format_name))["provenance/names.json"]
    assert sorted(ours["name"] for ours in named["intents"].values()) == [intent.name for intent in INTENTS]
    assert named["intents"]["yes"] == {"name": "yes", "description": ""}
    assert list(named["entities"].values()) == ["the road: (in full) }"]
    assert re.fullmatch("the_road_in_full_[0-9a-f]{8}", *named["entities"])


@pytest.mark.parametrize(
    ("fits", "limit"), [(lex.NAME, 100), (clu.NAME, 50), (clu.PROJECT_NAME, 50), (dialogflow_cx.NAME, 64)]
)
@given(names=st.lists(NAMES))
def test_names_fit_and_are_told_apart_by_more_than_case(fits: re.Pattern[str], limit: int, names: list[str]) -> None:
    theirs = Names(fits, limit, {"none": "None"})
    mapped = {name: theirs[name] for name in names}
    assert all(fits.fullmatch(name) and len(name) <= limit for name in mapped.values())
    assert len({name.lower() for name in mapped.values()} - {"none"}) == len(mapped.keys() - {"none"})
    assert {name: ours for name, ours in theirs.changed().items() if ours in names} == {
        name: ours for ours, name in mapped.items() if ours != name
    }


def test_lex_has_slots_in_the_place_of_what_was_said() -> None:
    files = unzipped(written("lex"))
    assert files["Manifest.json"]["metadata"] == {
        "schemaVersion": "1.0",
        "fileFormat": "LexJson",
        "resourceType": "Bot",
    }
    name = next(name for name, ours in ours_in(files) if ours == "Book flight")
    intent = files[f"shop/BotLocales/en_US/Intents/{name}/Intent.json"]
    (second,) = (slot["slotName"] for slot in intent["slotPriorities"] if slot["priority"] == 2)
    assert intent["sampleUtterances"] == [
        {"utterance": "fly to {city}"},
        {"utterance": f"from {{city}} to {{{second}}}"},
    ]
    slot = files[f"shop/BotLocales/en_US/Intents/{name}/Slots/{second}/Slot.json"]
    assert (slot["slotTypeName"], slot["slotConstraint"]) == ("city", "Optional")
    values = files["shop/BotLocales/en_US/SlotTypes/city/SlotType.json"]["slotTypeValues"]
    assert [value["sampleValue"]["value"] for value in values] == ["Lyon", "Rome", "Bonn"]
    assert f"shop/BotLocales/de_DE/Intents/{name}/Intent.json" in files
    assert all(re.fullmatch(lex.NAME, part) for path in files for part in path.split("/")[:-1])


def test_lex_tells_a_second_slot_of_a_type_from_a_type_of_that_name() -> None:
    made = [
        row(1, "from Lyon to Rome", "yes", ("Lyon", "city"), ("Rome", "city")),
        row(2, "Bonn", "yes", ("Bonn", "city 2")),
    ]
    files = unzipped(b"".join(EXPORTERS["lex"].write(export(INTENTS[-1:], made))))
    slots = [file["slotTypeName"] for path, file in files.items() if path.endswith("/Slot.json")]
    assert (len(slots), slots.count("city")) == (3, 2)


def ours_in(files: dict[str, Any]) -> list[tuple[str, str]]:
    return [(theirs, ours["name"]) for theirs, ours in files["provenance/names.json"]["intents"].items()]


def test_lex_lists_what_it_has_no_room_for() -> None:
    """A language without a locale, a text that is too long, out of scope."""
    files = unzipped(written("lex"))
    assert [line["provenance"]["turn_id"] for line in files["provenance/left_out.jsonl"]] == [5, 26, 91]
    assert files["provenance/left_out.jsonl"][1]["text"] == TRAPS[-1]
    told = [utterance for path, file in files.items() if "/yes/" in path for utterance in said(file)]
    assert "(city) and )(" in told
    assert len(told) == len(TRAPS) - 1


def said(file: Any) -> list[str]:
    return [item["utterance"] for item in file["sampleUtterances"]] if isinstance(file, dict) else []


def test_clu_counts_in_utf16_and_lists_what_it_has_no_room_for() -> None:
    project = json.loads(written("clu"))
    assert (project["projectFileVersion"], project["stringIndexType"]) == ("2022-10-01-preview", "Utf16CodeUnit")
    assert project["assets"]["utterances"][1] == {
        "text": "🙈 Lyon to Lyon St [x]",
        "intent": project["assets"]["intents"][0]["category"],
        "language": "de",
        "dataset": "Train",
        "entities": [
            {"category": "city", "offset": 3, "length": 4},
            {"category": project["assets"]["entities"][1]["category"], "offset": 11, "length": 7},
        ],
    }
    by_text = {utterance["text"]: utterance for utterance in project["assets"]["utterances"]}
    assert (by_text["hm"]["intent"], by_text["hm"]["dataset"]) == ("None", "Test")
    assert TRAPS[-1] not in by_text
    about = project["metadata"]
    assert (about["projectName"], about["multilingual"], about["language"]) == ("shop", True, "en-us")
    notes = json.loads(about["description"].split("\n")[1])
    assert (notes["left_out"], list(notes["entities"].values())) == ([26], ["the road: (in full) }"])


def test_a_table_has_a_column_for_each_part_of_a_rows_origin() -> None:
    table = list(csv.DictReader(io.StringIO(written("csv").decode(), newline="")))
    first = next(cells for cells in table if cells["text"])
    assert first == {
        "intent": "Book flight",
        "text": "fly to Lyon",
        "description": "",
        "entities": '[{"type":"city","start":7,"end":11,"value":"Lyon"}]',
        "lang": "en",
        "split": "train",
        **{name: str(value) for name, value in PROVENANCE.items()},
    }
    assert [cells["text"] for cells in table if cells["intent"] == "yes" and cells["text"]] == list(TRAPS)


def test_json_lines_say_nothing_of_entities_that_nobody_labelled() -> None:
    rows = {line["text"]: line for line in lines(written("jsonl")) if "text" in line}
    assert rows["fly to Lyon"] == {
        "text": "fly to Lyon",
        "intent": "Book flight",
        "entities": [{"type": "city", "start": 7, "end": 11, "value": "Lyon"}],
        "lang": "en",
        "split": "train",
        "provenance": PROVENANCE,
    }
    assert "entities" not in rows["later"]
    assert (rows["yes"]["entities"], rows["hm"]["intent"], rows["hm"]["split"]) == ([], "none", "test")


def test_the_assistant_answers_in_json_what_it_was_asked_for() -> None:
    """Rows whose entities nobody labelled ask for the intent alone; none that tests is there."""
    said = [[message["content"] for message in line["messages"]] for line in lines(written("chat"))]
    answers = {user: (system, json.loads(assistant)) for system, user, assistant in said}
    assert answers["fly to Lyon"][1] == {"intent": "Book flight", "entities": [{"type": "city", "value": "Lyon"}]}
    assert answers["later"][1] == {"intent": "Book flight"}
    assert answers["[what]"][1] == {"intent": None, "entities": []}
    assert '"entities"' in answers["fly to Lyon"][0]
    assert '"entities"' not in answers["later"][0]
    assert answers.keys().isdisjoint({"hm", "fly to Oslo"})
    assert [message["role"] for message in lines(written("chat"))[0]["messages"]] == ["system", "user", "assistant"]
