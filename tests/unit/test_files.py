"""Files of logs are cut into bodies, and what is said of a body says where in the file it stands."""

import csv
import doctest
import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.webhooks import generic, native, rasa
from integrations.webhooks.collecting import derived
from service.errors import BadInput
from service.turns import files
from service.turns.files import Piece, columns, pieces
from service.turns.importing import read_piece, reader
from service.turns.parsing import DERIVED, Adapter, Parsed
from tests.support.edge import turn

NOW = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, parse: Adapter = native.parse, options: dict[str, Any] | None = None) -> Parsed:
    (piece,) = pieces(path)
    return read_piece(piece, reader(parse, options or {}, NOW))


def said(n: int, **fields: object) -> dict[str, Any]:
    return {"event": "user", "sender_id": "u1", "timestamp": n, "text": f"text {n}", "message_id": f"m{n}"} | fields


@pytest.mark.parametrize(
    ("name", "content", "unit", "bodies"),
    [
        ("log.jsonl", b'{"a": 1}\n\n {"a": 2} \n', "line", [b'{"a": 1}', b'{"a": 2}']),
        ("log.jsonl.gz", gzip.compress(b'{"a": 1}\n', mtime=0), "line", [b'{"a": 1}']),
        ("rasa_event.log", b"what\n[1]\n", "line", [b"what", b"[1]"]),
        ("export.json", b'{"a": 1}\n{"a": 2}', "line", [b'{"a": 1}', b'{"a": 2}']),
        ("transcript.json", b'[{"a": 1},\n {"a": 2}]', "item", [b'{"a": 1}', b'{"a": 2}']),
        ("one", b'{\n"a": 1}', "", [b'{\n"a": 1}']),
        ("none.json", b"", "", [b""]),
    ],
)
def test_the_content_says_what_is_a_body(
    tmp_path: Path, name: str, content: bytes, unit: str, bodies: list[bytes]
) -> None:
    (piece,) = pieces(write(tmp_path, name, content))
    assert (piece.unit, piece.bodies, piece.first) == (unit, bodies, 1)
    assert piece.read == len(content)


def test_a_long_file_comes_in_parts(tmp_path: Path) -> None:
    found = list(pieces(write(tmp_path, "log.jsonl", "".join(f'{{"n": {n}}}\n' for n in range(2500)))))
    assert [(piece.first, len(piece.bodies)) for piece in found] == [(1, 1000), (1001, 1000), (2001, 500)]
    assert found[2].place(3, "n") == "log.jsonl, line 2004: n"


def test_a_bad_line_costs_the_others_nothing(tmp_path: Path) -> None:
    lines = [json.dumps(turn(turn_id="a")), "not json", json.dumps(turn(text="")), json.dumps(turn(turn_id="b"))]
    parsed = read(write(tmp_path, "log.jsonl", "\n".join(lines)))
    assert [fact.external_id for fact in parsed.facts] == ["a", "b"]
    assert [(found.path, found.type) for found in parsed.rejected] == [
        ("log.jsonl, line 2: $", "not-json"),
        ("log.jsonl, line 3: data.text", "empty-text"),
    ]


def test_lines_of_either_shape_are_read(tmp_path: Path) -> None:
    dump = {"sender_id": "u2", "events": [said(2, sender_id=None)]}
    lines = [json.dumps(said(1)), json.dumps(dump), json.dumps(said(3, text="/greet")), json.dumps(said(1))]
    parsed = read(write(tmp_path, "log.jsonl", "\n".join(lines)), rasa.parse)
    assert [fact.text for fact in parsed.facts if fact.conversation_id == derived("u2")] == ["text 2"]  # type: ignore[union-attr]
    assert len(parsed.facts) == 2
    assert [note.path.partition(":")[0] for note in parsed.notes] == ["log.jsonl, line 3"]
    assert [(found.path, found.type) for found in parsed.rejected] == [("log.jsonl, line 4", "repeated")]
    assert [place.path.partition(":")[0] for place in parsed.places] == ["log.jsonl, line 1", "log.jsonl, line 2"]


def test_what_stands_in_two_lines_that_are_read_alone_is_said(tmp_path: Path) -> None:
    lines = [json.dumps(turn(turn_id=own_id)) for own_id in ("a", "b", "a")]
    parsed = read(write(tmp_path, "log.jsonl", "\n".join(lines)))
    assert [fact.external_id for fact in parsed.facts] == ["a", "b"]
    assert [(found.path, found.type) for found in parsed.rejected] == [("log.jsonl, line 3: data", "repeated")]


def test_a_table_s_rows_are_objects_with_an_id_of_their_own(tmp_path: Path) -> None:
    content = '\ufeffwhat,conversation_id\n"quo""ted, yes",c1\nplain,c1\nplain,c1\n,c2\n'
    path = write(tmp_path, "log.csv", content)
    assert columns(path) == ["what", "conversation_id"]
    options = {"turn": {"turn_id": "row_id", "text": "what", "conversation_id": "conversation_id"}}
    parsed, again = read(path, generic.parse, options), read(path, generic.parse, options)
    assert [fact.text for fact in parsed.facts] == ['quo"ted, yes', "plain", "plain"]  # type: ignore[union-attr]
    assert len({fact.external_id for fact in parsed.facts}) == 3
    assert parsed.facts == again.facts
    assert [found.path for found in parsed.rejected] == ["log.csv, row 4: what"]


LONG = "x" * 200_000


@pytest.mark.parametrize(
    "cell",
    [LONG, LONG + '"', f'"{LONG}"', f'"{LONG}, he said ""no""\nand went"', f'"a\nb{LONG}\n\n"'],
    ids=["bare", "inch", "quoted", "quotes", "lines"],
)
def test_a_cell_however_long_costs_no_other_row(tmp_path: Path, cell: str) -> None:
    limit = csv.field_size_limit()
    path = write(tmp_path, "log.csv", f"text,raw\nfirst,{{}}\nsecond,{cell}\n{cell},{{}}\nlast,{{}}\n")
    assert columns(path) == ["text", "raw"]
    parsed = read(path, generic.parse, {"turn": {"turn_id": "row_id", "text": "text"}})
    assert [fact.text for fact in parsed.facts] == ["first", "second", "last"]  # type: ignore[union-attr]
    assert [(found.path, found.type) for found in parsed.rejected] == [("log.csv, row 3: text", "text-too-long")]
    assert csv.field_size_limit() == limit
    whole = json.loads(next(pieces(path)).bodies[1])["raw"]
    assert whole == (cell[1:-1].replace('""', '"') if cell.startswith('"') else cell)


def test_rows_are_called_what_they_always_were(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "text,user\nhi\n\nyou,u,more\n")
    rows = [json.loads(body) for body in next(pieces(path)).bodies]
    assert [{**row, "row_id": ""} for row in rows] == [
        {"text": "hi", "user": None, "row_id": ""},
        {"text": "you", "user": "u", "": ["more"], "row_id": ""},
    ]
    numbered = json.dumps([1, {"text": "you", "user": "u", "": ["more"]}]).encode()
    assert rows[1]["row_id"] == DERIVED + hashlib.sha256(numbered).hexdigest()[:32]


@pytest.mark.parametrize("look", [lambda path: list(pieces(path)), columns])
def test_a_quoted_cell_that_never_ends_is_said(tmp_path: Path, look: Any) -> None:
    path = write(tmp_path, "log.csv", 'text\n"hm' + LONG if look is not columns else '"hm' + LONG)
    with pytest.raises(BadInput, match=r"begins at '.hmx+' and does not end"):
        look(path)


def test_bytes_that_are_no_text_are_refused_row_by_row(tmp_path: Path) -> None:
    path = write(tmp_path, "log.tsv", b"text\tuser\nbon\xe9\tu1\ngood\tu2\n")
    parsed = read(path, generic.parse, {"turn": {"turn_id": "row_id", "text": "text", "user": "user"}})
    assert [found.type for found in parsed.rejected] == ["not-unicode"]
    assert len(parsed.facts) == 1


def test_half_a_gzip_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "log.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-4])
    with pytest.raises(BadInput) as refused:
        list(pieces(path))
    assert refused.value.path == "log.jsonl.gz"


def test_examples() -> None:
    assert doctest.testmod(files).failed == 0
    assert Piece([], "a.csv", "row", 5, 0).place(2, "") == "a.csv, row 7"


def test_a_byte_order_mark_is_no_part_of_the_json(tmp_path: Path) -> None:
    path = write(tmp_path, "log.jsonl", b"\xef\xbb\xbf" + json.dumps(said(1)).encode())
    assert len(read(path, rasa.parse).facts) == 1


def test_a_rows_id_is_ours_whatever_the_files_columns_are_called(tmp_path: Path) -> None:
    texts = ("row_id,text\n1,refund\n", "row_id,text\n1,cancel\n")
    rows = [json.loads(next(iter(pieces(write(tmp_path, f"{n}.csv", text)))).bodies[0]) for n, text in enumerate(texts)]
    assert len({row["row_id"] for row in rows}) == 2
    assert all(row["row_id"].startswith(DERIVED) for row in rows)


@pytest.mark.parametrize("look", [lambda path: list(pieces(path)), columns])
@pytest.mark.parametrize("spoil", [lambda packed: packed[:20], lambda packed: packed[:12] + b"\xff" * 8 + packed[20:]])
def test_a_broken_gzip_is_said(tmp_path: Path, look: Any, spoil: Any) -> None:
    packed = gzip.compress(b"text\n" + b"".join(b"%d\n" % n for n in range(9000)), mtime=0)
    with pytest.raises(BadInput, match="not one whole gzip"):
        look(write(tmp_path, "log.csv.gz", spoil(packed)))
