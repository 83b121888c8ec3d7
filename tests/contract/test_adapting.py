"""An encoder tuned for a bot: tried blind against the one in force, put in force and taken back with its classifier.
On both databases, with the real encode process; models and tuning are small."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import get_bot
from service.classifiers import gates, rules, store
from service.classifiers.operations import OtherEncoder, Word, promote, roll_back
from service.encoding import EncodeClient, EncoderChanged, EncoderUnknown
from service.errors import ConfigError
from service.learning.head import decide
from tests.support.encode import FakeHub, FakeModel, serving
from tests.support.encoder import FakeEncoder
from tests.support.scored import AT, BOT, Shop, opened_shop
from workers import encoder as encoders
from workers import finetune, gating
from workers.adapting import Base, adapt
from workers.finetune import Examples, Guesses
from workers.reembed import reembed
from workers.snapshot import look
from workers.training import train

SAID = {
    "refund": "i want my money back for this",
    "cancel_order": "please stop the order before it ships",
    "track_order": "where is the parcel i am waiting for",
}
WORDS = ["now", "today", "hello", "thanks", "please", "again", "still", "really", "quickly", "sofa", "lamp", "chair"]
SWAPPED = {"refund": "track_order", "track_order": "refund", "cancel_order": "cancel_order"}
# Turns of each intent, and those of them with a label: few enough that no fold is fitted, for that takes long.
TURNS, LABELLED = 7, 3
ALL = 3 * TURNS
OLGA = Word("olga", "the numbers say so")


class FolderHub(FakeHub):
    """Loads a folder as a model of its own; those of `unseen` are not on its machine."""

    def __init__(self) -> None:
        super().__init__()
        self.unseen: set[str] = set()

    def load(self, name: str, threads: int) -> FakeModel:
        if not name.startswith("/"):
            return super().load(name, threads)
        if name in self.unseen or not Path(name).is_dir():
            raise ConfigError(f"the encoder's folder {name} does not exist")
        sha = encoders.weights_sha256(Path(name))
        self.models[name] = FakeModel(sha)
        self.models[name].identity = encoders.identify(Path(name).name, sha)
        return self.models[name]


class Tuner:
    """Stands for the fine-tuning: other weights for another seed."""

    def __init__(self) -> None:
        self.seen: list[tuple[Base, Examples, Sequence[Sequence[str]]]] = []
        self.guesses: list[Guesses] = []

    def __call__(
        self,
        base: Base,
        target: Path,
        examples: Examples,
        names: Sequence[Sequence[str]],
        guesses: Guesses,
        *,
        seed: int,
        **more: Any,
    ) -> None:
        self.seen.append((base, examples, names))
        self.guesses.append(guesses)
        target.mkdir()
        (target / "model.safetensors").write_bytes(f"weights {seed}".encode())


class Bench(NamedTuple):
    """A shop with a champion on its names alone, and labels that say something else."""

    shop: Shop
    client: EncodeClient
    hub: Any
    tuner: Tuner
    turns: dict[str, list[int]]

    @property
    def old(self) -> str:
        return self.shop.encoder.identity(BOT)

    @property
    def setting(self) -> str:
        with database.reading(self.shop.engine) as connection:
            return get_bot(connection, BOT).encoder

    @property
    def champion(self) -> int | None:
        with database.reading(self.shop.engine) as connection:
            return store.champion_n(connection, BOT)

    def adapt(self) -> int | None:
        return adapt(self.shop.context, self.client, BOT, self.tuner)

    def decide(self) -> str | None:
        return gating.decide(self.shop.context, self.client, BOT)

    def reembed(self) -> None:
        reembed(self.shop.context, self.client, BOT)

    def train(self) -> int | None:
        return train(self.shop.context, self.client, BOT, patience_s=0.0)

    def label(self, turn_id: int, intent: str, **more: Any) -> None:
        row = {"bot": BOT, "turn_id": turn_id, "use": "train", "origin": "vote", "at": AT, "answer": "intent"}
        row |= {"intent_id": [*SAID].index(intent) + 1, **more}
        with database.writing(self.shop.engine) as connection:
            connection.execute(tables.label.insert(), row)

    def answer(self, n: int, who: str) -> None:
        """Every flip is answered as one of the two decided."""
        columns = ("turn_id", "champion_intent_id", "challenger_intent_id")
        for turn_id, *said in self.shop.rows(tables.flip, *columns, challenger=n):
            right = said[["champion", "challenger"].index(who)]
            [(card_id,)] = self.shop.rows(tables.card, "id", turn_id=turn_id, purpose="flip", challenger=n)
            self.label(turn_id, [*SAID][right - 1], use="flip", card_id=card_id)
        with database.writing(self.shop.engine) as connection:
            flips = sa.update(tables.card).where(tables.card.c.purpose == "flip", tables.card.c.challenger == n)
            connection.execute(flips.values(status="resolved"))

    def vectors(self) -> dict[str, int]:
        return Counter(encoder for (encoder,) in self.shop.rows(tables.vector, "encoder"))

    def manifest(self, n: int) -> Any:
        with database.reading(self.shop.engine) as connection:
            return store.manifest(connection, BOT, n)

    def gate(self, n: int) -> Any:
        with database.reading(self.shop.engine) as connection:
            return gates.gates(connection, BOT)[n]


@pytest.fixture(autouse=True)
def _few_labels_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ADAPT_LABELS", 3 * LABELLED)


@pytest.fixture
def bench(engine: sa.Engine, valkey: Path, short_folder: Path) -> Iterator[Bench]:
    with opened_bench(engine, valkey, short_folder, FolderHub()) as bench:
        yield bench


@contextmanager
def opened_bench(engine: sa.Engine, valkey: Path, short_folder: Path, hub: FakeHub) -> Iterator[Bench]:
    folder = short_folder / uuid.uuid4().hex[:8]
    folder.mkdir()
    with opened_shop(engine, valkey, folder) as shop, serving(shop.context, hub):
        turns = {
            intent: [shop.say(f"{text} {WORDS[i]} {WORDS[i // 2]}", minute=i) for i in range(TURNS)]
            for intent, text in SAID.items()
        }
        client = EncodeClient(shop.context.settings, shop.context.redis)
        reembed(shop.context, client, BOT)
        bench = Bench(shop, client, hub, Tuner(), turns)
        assert bench.train() == 1
        for intent, ids in turns.items():
            for turn_id in ids[:LABELLED]:
                bench.label(turn_id, SWAPPED[intent])
        yield bench
        client.close()


def test_a_tuned_encoder_is_tried_by_its_own_vectors_and_nothing_changes_before_it_wins(bench: Bench) -> None:
    assert bench.adapt() == 2
    assert (bench.champion, bench.setting, bench.vectors()) == (1, "", {bench.old: ALL})
    found = bench.manifest(2).adapted
    own = bench.client.named(found.folder)
    assert own.identity(BOT) == bench.manifest(2).encoder != bench.old
    assert (found.base, found.base_identity, found.before, found.labels) == ("", bench.old, "", 3 * LABELLED)
    gate = bench.gate(2)
    assert (gate.status, gate.champion, gate.compared) == ("open", 1, ALL - 3 * LABELLED)
    assert gate.disagreed >= 4
    with database.reading(bench.shop.engine) as connection:
        before, after = (store.load(connection, BOT, n).head for n in (1, 2))
    for turn_id, old, new in bench.shop.rows(tables.flip, "turn_id", "champion_intent_id", "challenger_intent_id"):
        [(text,)] = bench.shop.rows(tables.turn_content, "text", turn_id=turn_id)
        assert decide(before, bench.client.encode(BOT, [text])).tolist() == [old]
        assert decide(after, own.encode(BOT, [text])).tolist() == [new]
    [(base, examples, names)] = bench.tuner.seen
    assert base == Base("", bench.old)
    assert sorted(examples.texts) == sorted(
        f"{text} {WORDS[i]} {WORDS[i // 2]}" for text in SAID.values() for i in range(LABELLED)
    )
    assert examples.columns.tolist() == [[*SAID].index(SWAPPED[i]) for i in SAID for _ in range(LABELLED)]
    assert names == [["refund"], ["cancel order"], ["track order"]]


def test_a_win_puts_encoder_and_classifier_in_force_together_and_a_rollback_takes_both_back(bench: Bench) -> None:
    bench.adapt()
    bench.answer(2, "challenger")
    new, folder = bench.manifest(2).encoder, bench.manifest(2).adapted.folder
    bench.reembed()  # before the gate ends: the new vectors are made beside the old ones
    assert bench.vectors() == {bench.old: ALL, new: ALL}
    bench.client.identity(BOT)  # a process that keeps asking: the old setting is remembered a moment
    assert bench.decide() == "promoted"
    assert (bench.champion, bench.setting, bench.client.identity(BOT)) == (2, folder, new)
    bench.reembed()
    assert bench.vectors() == {new: ALL}
    third = bench.train()  # the flips' answers are new labels; what they make has to win, too, and keeps the encoder
    assert (third, bench.champion, bench.manifest(3).adapted) == (3, 2, bench.manifest(2).adapted)

    roll_back(bench.shop.context, BOT, 1, AT, OLGA)
    assert (bench.champion, bench.setting, bench.client.identity(BOT)) == (1, "", bench.old)
    assert bench.train() is None  # no label has an old vector yet
    bench.reembed()
    assert bench.vectors() == {bench.old: ALL}
    roll_back(bench.shop.context, BOT, 2, AT, OLGA)
    assert (bench.champion, bench.setting, bench.client.identity(BOT)) == (2, folder, new)


def test_a_loss_changes_nothing(bench: Bench) -> None:
    bench.adapt()
    folder = Path(bench.manifest(2).adapted.folder)
    bench.reembed()
    bench.answer(2, "champion")
    assert bench.decide() == "held"
    assert (bench.champion, bench.setting, bench.client.identity(BOT)) == (1, "", bench.old)
    bench.reembed()
    assert bench.vectors() == {bench.old: ALL}
    assert bench.adapt() == 3  # on the flips' answers, too
    assert folder.is_dir()  # an owner may overrule the gate
    assert Path(bench.manifest(3).adapted.folder).is_dir()
    assert bench.manifest(3).adapted.base == ""


def test_an_owner_puts_a_held_encoder_in_force_with_its_classifier(bench: Bench) -> None:
    bench.adapt()
    new, folder = bench.manifest(2).encoder, bench.manifest(2).adapted.folder
    bench.reembed()
    bench.answer(2, "champion")
    assert bench.decide() == "held"
    promote(bench.shop.context, BOT, 2, AT, OLGA)
    assert (bench.champion, bench.setting, bench.client.identity(BOT)) == (2, folder, new)
    bench.reembed()
    assert bench.vectors() == {new: ALL}


def test_a_held_encoder_is_kept_for_an_owner_until_another_champion_comes(bench: Bench) -> None:
    bench.adapt()
    held = bench.manifest(2).adapted.folder
    bench.reembed()
    bench.answer(2, "champion")
    assert bench.decide() == "held"
    assert bench.adapt() == 3
    assert Path(held).is_dir()
    promote(bench.shop.context, BOT, 3, AT, OLGA)
    with database.reading(bench.shop.engine) as connection:
        assert store.adapted_folders(connection, BOT) == {bench.manifest(3).adapted.folder}
    with pytest.raises(OtherEncoder) as refused:  # though the encode process has it in memory
        promote(bench.shop.context, BOT, 2, AT, OLGA)
    assert "kept while the same champion is in force" in refused.value.hint
    assert (bench.champion, bench.setting) == (3, bench.manifest(3).adapted.folder)


class RealHub(FakeHub):
    def __init__(self) -> None:
        super().__init__()
        self.default = encoders.load("", 1)  # takes longer than who asks would wait

    def load(self, name: str, threads: int) -> Any:
        return encoders.load(name, 1) if name else self.default


@pytest.mark.model
def test_the_real_model_is_tuned_and_named_alike_by_both_processes(
    sqlite_engine: sa.Engine, valkey: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(finetune.fine_tune, recipe=finetune.Recipe(steps=2, batch=6))
    monkeypatch.setattr(finetune, "fine_tune", few)
    with opened_bench(sqlite_engine, valkey, short_folder, RealHub()) as bench:
        assert adapt(bench.shop.context, bench.client, BOT) == 2
        made = bench.manifest(2)
        assert made.adapted.base_identity == "all-MiniLM-L6-v2@53aa51172d14"
        assert made.encoder.startswith(f"{BOT}@")
        assert encoders.identified(made.adapted.folder)[1] == made.encoder
        assert bench.gate(2).compared == ALL - 3 * LABELLED


on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@on_sqlite
def test_the_next_adaptation_begins_at_the_base_again(bench: Bench) -> None:
    bench.adapt()
    bench.answer(2, "challenger")
    bench.decide()
    bench.reembed()
    first = bench.manifest(2).adapted
    assert bench.adapt() == 3
    found = bench.manifest(3).adapted
    assert (found.base, found.base_identity, found.before) == ("", bench.old, first.folder)
    assert bench.tuner.seen[1][0] == Base("", bench.old)
    assert Path(first.folder).is_dir()  # in force


@on_sqlite
def test_once_more_tunes_nothing_and_leaves_the_gate_alone(bench: Bench) -> None:
    bench.adapt()
    assert bench.adapt() is None
    assert len(bench.tuner.seen) == 1
    assert bench.gate(2).status == "open"
    assert bench.train() is None  # nor does an ordinary training void it


@on_sqlite
def test_what_broke_off_goes_on_where_it_was(bench: Bench) -> None:
    def unseen(*args: Any, **more: Any) -> None:
        bench.tuner(*args, **more)
        bench.hub.unseen.add(str(args[1].with_name(BOT)))

    with pytest.raises(EncoderUnknown, match="does not exist") as caught:  # the encode process is on another machine
        adapt(bench.shop.context, bench.client, BOT, unseen)
    assert "need one data folder" in caught.value.hint
    assert (bench.champion, bench.setting, bench.vectors()) == (1, "", {bench.old: ALL})
    assert [n for (n,) in bench.shop.rows(tables.classifier, "n", order="n")] == [1]
    bench.hub.unseen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.encoders.FAILED_S", 0.0)
        assert bench.adapt() == 2
    assert len(bench.tuner.seen) == 1


@on_sqlite
def test_too_few_labels_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ADAPT_LABELS", 3 * LABELLED + 1)
    assert bench.adapt() is None
    assert bench.tuner.seen == []


@on_sqlite
def test_turns_that_test_do_not_tune(bench: Bench) -> None:
    audited, gold = bench.turns["refund"][4], bench.turns["refund"][5]
    with database.writing(bench.shop.engine) as connection:
        row = {"bot": BOT, "turn_id": audited, "kind": "audit", "value": 0.01, "rate": 0.05, "at": AT}
        connection.execute(tables.mark.insert(), row)
    bench.label(audited, "refund", use="audit")
    bench.label(gold, "refund", use="gold")
    assert bench.adapt() == 2
    assert len(bench.tuner.seen[0][1].texts) == 3 * LABELLED
    assert len(bench.tuner.guesses[0].texts) == ALL - 3 * LABELLED - 2


@on_sqlite
def test_an_owner_who_changes_the_encoder_meanwhile_is_not_overruled(bench: Bench) -> None:
    bench.adapt()
    bench.shop.set(encoder="other")
    bench.answer(2, "challenger")
    assert bench.decide() == "void"
    assert (bench.champion, bench.setting) == (1, "other")


@on_sqlite
def test_an_encoder_that_nobody_can_load_any_more_is_not_put_in_force(bench: Bench) -> None:
    bench.adapt()
    bench.answer(2, "challenger")
    restarted = bench.shop.encoder  # knows other weights by that name
    assert gating.decide(bench.shop.context, restarted, BOT) == "void"
    assert (bench.champion, bench.setting, bench.gate(2).status) == (1, "", "void")
    assert "for the encode process, not" in bench.gate(2).reason


@on_sqlite
def test_a_rollback_to_an_encoder_that_nobody_can_load_says_so(bench: Bench) -> None:
    bench.adapt()
    bench.answer(2, "challenger")
    bench.decide()
    bench.hub.models[""].identity = "other@1"  # the installation's encoder was changed meanwhile
    with pytest.raises(OtherEncoder):
        roll_back(bench.shop.context, BOT, 1, AT, OLGA)
    assert bench.champion == 2


@on_sqlite
def test_a_rollback_to_an_encoder_that_nobody_knows_says_so(bench: Bench) -> None:
    bench.shop.set(encoder="other")
    bench.reembed()
    assert bench.train() == 2  # nothing of the old encoder is left to defend
    with pytest.raises(OtherEncoder):
        roll_back(bench.shop.context, BOT, 1, AT, OLGA)
    assert (bench.champion, bench.setting) == (2, "other")


@on_sqlite
def test_a_training_that_sees_two_encoders_begins_again(bench: Bench) -> None:
    class Moving(FakeEncoder):
        def identity(self, bot: str) -> str:
            told, self.name = super().identity(bot), "new"
            return told

    with pytest.raises(EncoderChanged):
        look(bench.shop.context, Moving(), BOT)
