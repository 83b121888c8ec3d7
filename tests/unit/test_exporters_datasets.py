"""The layout of Hugging Face is read by its own library, offline."""

import io
import zipfile
from pathlib import Path

import pytest

from integrations.formats.exporters import EXPORTERS
from tests.support.exports import AT, INTENTS, export, trapped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export unzipped; the library looks nowhere else and keeps nothing at home."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return unzipped(tmp_path / "export", b"".join(EXPORTERS["datasets"].write(trapped())))


def unzipped(folder: Path, data: bytes) -> Path:
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    return folder


def test_datasets_reads_splits_rows_names_and_provenance(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    read = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    names = read["train"].features["intent"].names
    assert names == [*(intent.name for intent in INTENTS), "none"]
    for split, rows in read.items():
        wanted = [row for row in trapped().rows if row.split == split]
        assert [row["text"] for row in rows] == [row.text for row in wanted]
        assert [names[row["intent"]] for row in rows] == [row.intent or "none" for row in wanted]
        assert [row["entities"] for row in rows] == [
            None
            if row.entities is None
            else [{"type": span.type, "start": span.start, "end": span.end} for span in row.entities]
            for row in wanted
        ]
        assert rows[0]["provenance"]["turn_id"] == wanted[0].provenance.turn_id
        assert rows[0]["provenance"]["labelled_at"] == AT
    assert (len(read["train"]), len(read["test"])) == (22, 2)


def test_an_export_without_rows_that_test_names_no_such_split(tmp_path: Path) -> None:
    rows = [row for row in trapped().rows if row.split == "train"]
    folder = unzipped(tmp_path, b"".join(EXPORTERS["datasets"].write(export(INTENTS, rows))))
    card = (folder / "README.md").read_text()
    assert "path: data/train.jsonl" in card
    assert "path: data/test.jsonl" not in card
