"""The adapt job: an encoder tuned on a bot's labels, which has to win the ordinary gate before it touches the bot.

* The labelled texts and recent unlabelled ones (redacted; never of the audit slice or the gold set) tune a copy of the
  *base*, the encoder that the bot had before it ever was adapted: so no adaptation inherits another's drift. Its folder
  is `<data_dir>/encoders/<bot>/<key>/<bot>`, its identity `<bot>@<sha12>`: vectors of different weights never meet.
* From there on everything goes through the encode process, asked for that folder by name. So a folder it cannot see
  shows here, before anybody is asked anything; and the job writes no vector, for a head on the labels and the recent
  log needs a few thousand, in memory.
* The pair (new encoder, new head) becomes a challenger like any other, and is always tried: on recent turns that it
  decides differently from the champion, each by its own encoder, answered blind. While that goes on the job REEMBED
  makes the new vectors beside the old ones.
* A win puts champion and `bot.encoder` in force in one UPDATE, fenced by both; the old vectors go when the new ones are
  complete. A loss changes nothing: REEMBED drops the vectors, the next adapt the folder.
* A rollback moves the encoder back, too, at once for new turns; REEMBED makes the old vectors anew. So folders of
  encoders that ever were in force stay.
* Doing it twice changes nothing: the key names labels, intents and base, so a second run finds the folder, or the
  classifier. A twin finds the lock taken.
"""

import fcntl
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import structlog

from service import database, jobs
from service.bots.store import live_bot
from service.classifiers import rules, store
from service.classifiers.schemas import Adapted
from service.context import Context
from service.encoding import Encoder, EncoderUnknown
from service.errors import ConfigError
from service.jobs import Job
from service.learning.types import Floats2d
from service.turns.store import texts_of
from workers import encoder as encoders
from workers import finetune, gating, prototypes, training
from workers.finetune import Examples, Guesses, OnStep
from workers.snapshot import Snapshot, heard, look

log = structlog.get_logger()

FOLDER = "encoders"
CHUNK = 2048  # texts between two signs of life
SIGN_EVERY = 10  # steps


class Tune(Protocol):
    """Saves the tuned encoder as the folder `target`."""

    def __call__(
        self,
        base: "Base",
        target: Path,
        examples: Examples,
        names: Sequence[Sequence[str]],
        guesses: Guesses,
        *,
        seed: int,
        threads: int,
        on_step: OnStep,
    ) -> None: ...


class Base(NamedTuple):
    """What is tuned: a folder or hub id, "" for the default; and the weights that the encode process has there."""

    name: str
    identity: str


def tune(
    base: Base,
    target: Path,
    examples: Examples,
    names: Sequence[Sequence[str]],
    guesses: Guesses,
    *,
    seed: int,
    threads: int,
    on_step: OnStep,
) -> None:
    """ConfigError when this process finds other weights than the encode process."""
    source, identity = encoders.identified(base.name)
    if identity != base.identity:
        raise ConfigError(f"the encoder here is {identity}, that of the encode process {base.identity}")
    finetune.fine_tune(source, target, examples, names, guesses, seed=seed, threads=threads, on_step=on_step)


def adapt(context: Context, encoder: Encoder, bot: str, tune: Tune = tune) -> int | None:
    """The challenger's number; None when there is nothing to tune on, or nothing new. EncoderDown when the encode
    process is away, EncoderUnknown when it does not see the new folder."""
    home = context.settings.folder.resolve() / FOLDER / bot
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(home / "lock") as is_first:
        if is_first:
            return _adapt(context, encoder, bot, home, tune)
    log.info("adapt.running_already", bot=bot)
    return None


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock; the kernel lets go of it however the process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _adapt(context: Context, encoder: Encoder, bot: str, home: Path, tune: Tune) -> int | None:
    gating.decide(context, encoder, bot)
    with database.reading(context.engine) as connection:
        setting = live_bot(connection, bot).encoder
    seen = look(context, encoder, bot)
    adapted = _planned(seen, setting, home, bot)
    if reason := _refusal(seen) or _known(context, bot, adapted.folder):
        log.warning("adapt.refused", bot=bot, reason=reason)
        return None
    _sweep(context, bot, home, keep=(adapted.folder, setting))
    with database.reading(context.engine) as connection:
        texts = texts_of(connection, [*(label.turn_id for label in seen.labels), *seen.log_ids])
    _make(context, encoder, bot, seen, adapted, texts, tune)
    own = encoder.named(adapted.folder)
    tried = _through(own, bot, seen, texts)._replace(adapted=adapted)
    outcome = training.fit(context, own, bot, tried, tuning=None)
    log.info("adapt.finished", bot=bot, encoder=tried.encoder, outcome=outcome)
    if outcome == "stale":  # a training came in between; the folder is there already
        jobs.enqueue(context.queue, Job.ADAPT, bot)
        return None
    if outcome == "challenger":
        jobs.enqueue(context.queue, Job.REEMBED, bot)
    return seen.newest_n + 1


def _planned(seen: Snapshot, setting: str, home: Path, bot: str) -> Adapted:
    """The encoder that these labels, intents and base make."""
    known = seen.adapted
    base = Base(known.base, known.base_identity) if known else Base(setting, seen.live)
    return Adapted(
        folder=str(home / f"{_key(seen, base):08x}" / bot),
        base=base.name,
        base_identity=base.identity,
        before=setting,
        labels=sum(label.intent_id is not None and label.origin != "weak" for label in seen.labels),
    )


def _key(seen: Snapshot, base: Base) -> int:
    return zlib.crc32(f"{seen.last_label_id}/{len(seen.labels)}/{sorted(seen.inputs.intents)}/{base}".encode())


def _refusal(seen: Snapshot) -> str:
    """Why nothing can come of it; empty when something can."""
    if seen.champion is None or seen.champion.encoder != seen.live:
        return "no classifier is in force that reads the encoder in force"
    if seen.unembedded:
        return f"{seen.unembedded} labelled turns wait for vectors of the encoder in force"
    if not seen.log_ids:
        return "there is no recent turn to try a challenger on"
    return rules.unfit(Counter(label.intent_id for label in seen.labels if label.origin != "weak"))


def _known(context: Context, bot: str, folder: str) -> str:
    with database.reading(context.engine) as connection:
        is_known = store.is_adapted(connection, bot, folder)
    return "these labels have tuned an encoder already" if is_known else ""


def _sweep(context: Context, bot: str, home: Path, keep: Sequence[str]) -> None:
    """Remove what earlier runs left: encoders that lost, and halves of folders."""
    with database.reading(context.engine) as connection:
        needed = {Path(folder).parent for folder in (*store.adapted_folders(connection, bot), *keep)}
    for folder in home.iterdir():
        if folder.is_dir() and folder not in needed:
            shutil.rmtree(folder, ignore_errors=True)
            log.info("adapt.swept", bot=bot, folder=folder.name)


def _make(
    context: Context, encoder: Encoder, bot: str, seen: Snapshot, adapted: Adapted, texts: dict[int, str], tune: Tune
) -> None:
    """The folder, unless an earlier run made it."""
    target = Path(adapted.folder)
    if target.is_dir():
        return
    part = target.with_name(f"{bot}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(exist_ok=True)
    base = Base(adapted.base or context.settings.encoder, adapted.base_identity)
    names = [prototypes.say(intent.name, intent.description) for intent in seen.intents]
    threads = encoders.threads_of(context.settings.threads)

    def on_step(done: int, total: int, loss: float) -> None:
        if done % SIGN_EVERY == 0 or done == total:
            log.info("adapt.tuning", bot=bot, done=done, total=total, loss=round(loss, 3))

    seed = int(target.parent.name, 16)
    guesses = _guesses(encoder, bot, heard(context, bot, seen), texts, seed)
    tune(base, part, _examples(seen, texts), names, guesses, seed=seed, threads=threads, on_step=on_step)
    part.rename(target)


def _examples(seen: Snapshot, texts: dict[int, str]) -> Examples:
    column = {intent.id: i for i, intent in enumerate(seen.intents)}
    kept = [label for label in seen.labels if label.intent_id in column and label.turn_id in texts]
    columns = np.array([column[label.intent_id or 0] for label in kept], np.int64)
    return Examples([texts[label.turn_id] for label in kept], columns, np.array([label.weight for label in kept]))


def _guesses(encoder: Encoder, bot: str, seen: Snapshot, texts: dict[int, str], seed: int) -> Guesses:
    """What all the labels of now make of the log, by the encoder in force."""
    rows = [row for row, turn_id in enumerate(seen.log_ids) if turn_id in texts]
    learnt = training.learn(encoder, bot, seen, seed=seed, tuning=training.tuning_of(seen.newest))
    return finetune.guess(learnt.head, [texts[seen.log_ids[row]] for row in rows], seen.log[rows])


def _through(own: Encoder, bot: str, seen: Snapshot, texts: dict[int, str]) -> Snapshot:
    """The same turns as the new encoder sees them; less those forgotten since."""
    try:
        identity = own.identity(bot)
    except EncoderUnknown as error:
        hint = "`workers jobs` and `workers encode` need one data folder, shared, at the same path"
        raise EncoderUnknown(error.detail, hint=hint) from error
    labels = [i for i, label in enumerate(seen.labels) if label.turn_id in texts]
    recent = [i for i, turn_id in enumerate(seen.log_ids) if turn_id in texts]
    kept, log_ids = [seen.labels[i] for i in labels], [seen.log_ids[i] for i in recent]
    return seen._replace(
        encoder=identity,
        labels=kept,
        x=_encode(own, bot, [texts[label.turn_id] for label in kept]),
        group=seen.group[labels],
        log_ids=log_ids,
        log=_encode(own, bot, [texts[turn_id] for turn_id in log_ids]),
        live_log=seen.live_log[recent],
    )


def _encode(own: Encoder, bot: str, texts: Sequence[str]) -> Floats2d:
    found = []
    for start in range(0, len(texts), CHUNK):
        found.append(own.encode(bot, texts[start : start + CHUNK]))
        log.info("adapt.encoding", bot=bot, done=start + len(found[-1]), total=len(texts))
    return np.concatenate(found)
