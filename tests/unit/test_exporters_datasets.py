"""The layout of Hugging Face is read by its own library, offline, and in a process of its own: pyarrow once ended the
interpreter on Python 3.13, in a process that had loaded much else."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from integrations.formats.exporters import EXPORTERS
from tests.support.exports import AT, INTENTS, export, trapped

READ = """
import json, sys
import datasets
datasets.disable_progress_bars()
read = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])
names = read["train"].features["intent"].names
print(json.dumps({"names": names, "splits": {split: list(rows) for split, rows in read.items()}}, default=str))
"""


def read_by_datasets(folder: Path, home: Path) -> dict[str, Any]:
    """The library looks nowhere else and keeps nothing at home."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    command = [sys.executable, "-c", READ, str(folder), str(home / "cache")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def unzipped(folder: Path, data: bytes) -> Path:
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    return folder


def test_datasets_reads_splits_rows_names_and_provenance(tmp_path: Path) -> None:
    folder = unzipped(tmp_path / "export", b"".join(EXPORTERS["datasets"].write(trapped())))
    read = read_by_datasets(folder, tmp_path / "home")
    names = read["names"]
    assert names == [*(intent.name for intent in INTENTS), "none"]
    for split, rows in read["splits"].items():
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
        assert datetime.fromisoformat(rows[0]["provenance"]["labelled_at"]) == AT
    assert {split: len(rows) for split, rows in read["splits"].items()} == {"train": 22, "test": 2}


def test_an_export_without_rows_that_test_names_no_such_split(tmp_path: Path) -> None:
    rows = [row for row in trapped().rows if row.split == "train"]
    folder = unzipped(tmp_path, b"".join(EXPORTERS["datasets"].write(export(INTENTS, rows))))
    card = (folder / "README.md").read_text()
    assert "path: data/train.jsonl" in card
    assert "path: data/test.jsonl" not in card
