"""What importers make of the platforms' own files, of exports that somebody edited, and of broken ones."""

import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.formats.clu import parse_clu
from integrations.formats.dialogflow_cx import parse_dialogflow_cx
from integrations.formats.exporters import EXPORTERS
from integrations.formats.importers import IMPORTERS
from integrations.formats.intents_csv import parse_csv
from integrations.formats.lex_import import parse_lex
from integrations.formats.rasa_nlu import parse_rasa
from service.errors import BadInput
from service.intents.schemas import ParsedExample, ParsedIntent
from service.turns.schemas import Entity
from tests.support.exports import INTENTS, export, row, spanned, trapped

CLU = {
    "stringIndexType": "Utf16CodeUnit",
    "metadata": {"description": "Travel", "language": "en-us"},
    "assets": {
        "intents": [{"category": "Book"}, {"category": "None"}],
        "utterances": [
            {
                "text": "🙈 to Lyon",
                "intent": "Book",
                "language": "en-us",
                "dataset": "Test",
                "entities": [{"category": "City", "offset": 6, "length": 4}],
            },
            {"text": "hm", "intent": "None"},
        ],
    },
}


def zipped(files: dict[str, Any]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content if isinstance(content, str) else json.dumps(content))
    return made.getvalue()


def unzipped(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def written(format_name: str) -> bytes:
    return b"".join(EXPORTERS[format_name].write(trapped()))


def refused(format_name: str, data: bytes) -> tuple[str, str]:
    with pytest.raises(BadInput) as error:
        IMPORTERS[format_name](data)
    return error.value.path, error.value.detail


def test_a_clu_project_gives_its_intents_and_labels() -> None:
    lyon = ParsedExample("🙈 to Lyon", "utterances[0]", (Entity("City", "Lyon", 5, 9),), "en-us", is_test=True)
    assert parse_clu(json.dumps(CLU).encode()) == [
        ParsedIntent("Book", "assets.intents"),
        ParsedIntent("Book", "utterances[0]", examples=(lyon,)),
        ParsedIntent("none", "utterances[1]", examples=(ParsedExample("hm", "utterances[1]"),)),
    ]


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"stringIndexType": "TextElement_V8"}, "stringIndexType", "count something else"),
        ({"assets": {"utterances": [{"text": 1}]}}, "assets.utterances[0].text", "Expected `str`"),
        ({"assets": None}, "assets", "Expected `object`"),
    ],
)
def test_bad_clu_projects_are_refused_by_place(change: dict[str, Any], path: str, says: str) -> None:
    found = refused("clu", json.dumps(CLU | change).encode())
    assert (found[0], says in found[1]) == (path, True)


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (6, 9), (1, 1), (6, 0), (0, 1)])
def test_a_label_outside_the_text_or_within_a_character_is_refused(offset: int, length: int) -> None:
    said = {**CLU["assets"]["utterances"][0], "entities": [{"category": "a", "offset": offset, "length": length}]}
    project = CLU | {"assets": {"utterances": [said]}}
    assert refused("clu", json.dumps(project).encode())[0] == "utterances[0].entities[0]"


def test_a_dialogflow_package_gives_its_phrases() -> None:
    phrase = {"parts": [{"text": "to ", "auto": True}, {"text": "Lyon", "parameterId": "city"}], "repeatCount": 1}
    files = {
        "agent.json": {"displayName": "Travel"},
        "intents/book/book.json": {"displayName": "book", "description": "Books", "numTrainingPhrases": 1},
        "intents/book/trainingPhrases/fr.json": {"trainingPhrases": [phrase, phrase]},
        "intents/Default Negative Intent/Default Negative Intent.json": {
            "displayName": "Default Negative Intent",
            "isFallback": True,
        },
        "intents/Default Negative Intent/trainingPhrases/fr.json": {"trainingPhrases": [{"parts": [{"text": "hm"}]}]},
        "flows/Default Start Flow/Default Start Flow.json": {},
    }
    path = "intents/book/trainingPhrases/fr.json"
    book, none = parse_dialogflow_cx(zipped({f"exported/{name}": file for name, file in files.items()}))
    assert (book.name, book.description) == ("book", "Books")
    assert book.examples == (ParsedExample("to Lyon", f"exported/{path}", (Entity("city", "Lyon", 3, 7),), "fr"),)
    assert (none.name, [example.text for example in none.examples]) == ("none", ["hm"])


def test_a_lex_bot_gives_its_utterances_with_a_value_for_each_slot() -> None:
    folder = "Travel/BotLocales/en_GB/"
    said = [{"utterance": "drive a {CarType} on {PickUpDate}"}, {"utterance": "drive"}]
    files = {
        "Manifest.json": {},
        "Travel/Bot.json": {},
        f"{folder}Intents/Drive/Intent.json": {"name": "Drive", "description": None, "sampleUtterances": said},
        f"{folder}Intents/Drive/Slots/CarType/Slot.json": {"name": "CarType", "slotTypeName": "Cars"},
        f"{folder}Intents/Drive/Slots/PickUpDate/Slot.json": {"name": "PickUpDate", "slotTypeName": "AMAZON.Date"},
        f"{folder}SlotTypes/Cars/SlotType.json": {
            "name": "Cars",
            "slotTypeValues": [{"sampleValue": {"value": "van"}}],
        },
        f"{folder}Intents/FallbackIntent/Intent.json": {
            "name": "FallbackIntent",
            "parentIntentSignature": "AMAZON.FallbackIntent",
        },
    }
    path = f"{folder}Intents/Drive/Intent.json"
    assert parse_lex(zipped(files)) == [
        ParsedIntent(
            "Drive",
            path,
            examples=(
                ParsedExample("drive a van on pick up date", path, (Entity("Cars", "van", 8, 11),), "en-GB"),
                ParsedExample("drive", path, lang="en-GB"),
            ),
        )
    ]


@pytest.mark.parametrize("format_name", ["dialogflow_cx", "lex"])
def test_bad_zips_are_refused(format_name: str) -> None:
    assert refused(format_name, b"PK nothing") == ("", "not a zip that can be read")
    assert refused(format_name, zipped({"a.json": {}}))[1] == "no intent is in the zip"
    assert refused(format_name, written(format_name)[:-200]) == ("", "not a zip that can be read")
    files = unzipped(written(format_name))
    place = next(path for path in files if path.endswith(("Intent.json", "yes.json")))
    assert refused(format_name, zipped(files | {place: "{"})) == (place, "the file is not JSON in UTF-8")
    assert refused(format_name, zipped(files | {"provenance/left_out.jsonl": "{"}))[0] == (
        "provenance/left_out.jsonl, line 1"
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_entry_is_damaged_is_refused(method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("a", bytes(range(256)))
    data = bytearray(made.getvalue())
    data[40:60] = b"\xff" * 20
    assert refused("lex", bytes(data)) == ("", "not a zip that can be read")


def test_a_zip_whose_directory_is_damaged_is_refused() -> None:
    data = bytearray(zipped({"a.json": {}}))
    data[data.rindex(b"PK\x05\x06") + 17] += 1  # it begins 256 bytes later than it does
    assert refused("lex", bytes(data)) == ("", "not a zip that can be read")


def test_json_that_nests_too_deeply_is_refused_by_line() -> None:
    deep = "[" * 100_000
    assert refused("csv", f"intent,text,entities\na,b,{deep}\n".encode()) == ("line 2, entities", "this is not JSON")
    example = f"nlu:\n- intent: a\n  examples:\n  - text: '[b]{{{deep}}}'\n"
    assert refused("rasa", example.encode())[0] == "line 4"


def test_a_zip_that_unfolds_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.formats.zipped.UNZIPPED_LIMIT", 1 << 20)
    assert refused("lex", zipped({"a": "0" * (1 << 20) + "0"}))[1] == "the zip unfolds to too much"


def test_what_somebody_edits_in_an_export_counts() -> None:
    """An example with another text, one that was removed, an intent with another description."""
    rows = [
        row(1, "to [Lyon]", "yes", ("Lyon", "city")),
        row(2, "fly to Lyon", "yes", ("Lyon", "city")),
        row(3, "by train", "yes"),
    ]
    made = b"".join(EXPORTERS["rasa"].write(export(INTENTS[-1:], rows)))
    (intent,) = parse_rasa(made.replace(b"to ([Lyon](city))", b"from [Lyon](town)"))
    assert [(example.text, example.entities) for example in intent.examples] == [
        ("from Lyon", (Entity("town", "Lyon", 5, 9),)),
        ("fly to Lyon", (Entity("city", "Lyon", 7, 11),)),
        ("by train", ()),
    ]
    files = unzipped(b"".join(EXPORTERS["dialogflow_cx"].write(export(INTENTS[-1:], rows))))
    about = json.loads(files["intents/yes/yes.json"]) | {"description": "Agrees"}
    phrases = json.loads(files["intents/yes/trainingPhrases/en.json"])["trainingPhrases"][1:]
    phrases[0]["parts"][0]["text"] = "drive to "
    files |= {"intents/yes/yes.json": about, "intents/yes/trainingPhrases/en.json": {"trainingPhrases": phrases}}
    (intent,) = parse_dialogflow_cx(zipped(files))
    assert (intent.name, intent.description) == ("yes", "Agrees")
    assert [(example.text, example.entities) for example in intent.examples] == [
        ("drive to Lyon", (Entity("city", "Lyon", 9, 13),)),
        ("by train", ()),
    ]


def test_an_utterance_added_in_lex_is_not_taken_for_one_of_ours_with_other_slots() -> None:
    rows = [row(1, "fly to Lyon", "yes", ("Lyon", "city")), row(2, "fly to Rome", "yes", ("Rome", "city"))]
    files = unzipped(b"".join(EXPORTERS["lex"].write(export(INTENTS[-1:], rows))))
    folder = "shop/BotLocales/en_US"
    intent = json.loads(files[f"{folder}/Intents/yes/Intent.json"])
    intent["sampleUtterances"].append({"utterance": "fly to {land}"})
    files |= {
        f"{folder}/Intents/yes/Intent.json": intent,
        f"{folder}/Intents/yes/Slots/land/Slot.json": {"name": "land", "slotTypeName": "country"},
        f"{folder}/SlotTypes/country/SlotType.json": {"slotTypeValues": [{"sampleValue": {"value": "France"}}]},
    }
    (found,) = parse_lex(zipped(files))
    assert [(example.text, example.entities) for example in found.examples] == [
        ("fly to Lyon", (Entity("city", "Lyon", 7, 11),)),
        ("fly to Rome", (Entity("city", "Rome", 7, 11),)),
        ("fly to France", (Entity("country", "France", 7, 13),)),
    ]


def test_a_table_brings_entities_language_and_split() -> None:
    cell = '"[{""type"": ""city"", ""start"": 3, ""end"": 7}]"'
    data = f"intent,text,entities,lang,split\nbook,to Lyon,{cell},fr,test\n".encode()
    example = ParsedExample("to Lyon", "line 2", (spanned("to Lyon", 3, 7, "city"),), "fr", is_test=True)
    assert parse_csv(data) == [ParsedIntent("book", "line 2", examples=(example,))]


@pytest.mark.parametrize(
    ("cell", "path", "says"),
    [
        ("nothing", "line 2, entities", "not JSON"),
        ("7", "line 2, entities", "Expected `array`"),
        ('[{"type": "a", "start": 0, "end": 99}]', "line 2, entities[0]", "not in the text"),
    ],
)
def test_a_bad_cell_of_entities_is_refused_by_line(cell: str, path: str, says: str) -> None:
    quoted = cell.replace('"', '""')
    found = refused("csv", f'name,example,entities\na,b,"{quoted}"\n'.encode())
    assert (found[0], says in found[1]) == (path, True)


@pytest.mark.parametrize("format_name", sorted(IMPORTERS))
@settings(max_examples=100, deadline=None)
@given(place=st.integers(0), noise=st.binary(max_size=8))
def test_a_broken_file_is_read_or_refused(format_name: str, place: int, noise: bytes) -> None:
    data = written(format_name)
    at = place % len(data)
    try:
        IMPORTERS[format_name](data[:at] + noise + data[at + len(noise) :])
    except BadInput as error:
        assert error.detail
