"""The neighbour index of a bot: which turns lie near a vector. In memory, rebuilt from SQL.

Logs repeat themselves ("yes", "thanks"), and a graph of nearest neighbours breaks on many equal points: their links
lead only to each other. With 20 texts repeated 1,000 times each among 5,000 others, plain HNSW found .28 of the true
neighbours. So equal vectors share one node of the graph, and a node lists its turns.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog
from usearch.index import BatchMatches
from usearch.index import Index as Graph

from service.encoding import NO_TURN
from service.encoding_wire import remaining
from service.errors import BadInput, EncoderDown
from service.learning.types import Floats1d, Floats2d, Ints1d, Ints2d
from service.turns.vectors import iterate_vectors

log = structlog.get_logger()

# Equal but for arithmetic: one text in other batches or in bf16 gives > .9999, different texts of CLINC150 < .993.
SAME = 0.9995
CHUNK = 1024
# Below this many nodes every distance is computed: as fast, and exact.
EXACT_BELOW = 1000
# Recall .997 at 20 neighbours of 50,000 vectors, 12 s to build on one core; twice the effort of building gives .999.
CONNECTIVITY, EFFORT_ADD, EFFORT_SEARCH = 16, 64, 64


class NeighbourIndex:
    """Turn ids by vector, for one bot and one encoder. Threads may share it."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._graph: Graph | None = None  # made with the first vectors, which tell the dimensions
        self._node_of: dict[int, int] = {}  # turn id -> node
        self._turns: dict[int, dict[int, None]] = {}  # node -> its turns, oldest first
        self._next_node = 0

    def __len__(self) -> int:
        return len(self._node_of)

    def __contains__(self, turn_id: int) -> bool:
        return turn_id in self._node_of

    def add(self, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        """A turn that is in already stays where it is. BadInput on vectors of other dimensions than those in."""
        for i in range(0, len(turn_ids), CHUNK):
            with self._lock:
                self._add(turn_ids[i : i + CHUNK], vectors[i : i + CHUNK])

    def _add(self, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        self._check(vectors)
        new = [i for i, turn_id in enumerate(turn_ids) if turn_id not in self._node_of]
        if not new:
            return
        nodes = self._nodes(vectors[new])
        for i, node in zip(new, nodes, strict=True):
            if turn_ids[i] not in self._node_of:  # a call may name a turn twice
                self._node_of[turn_ids[i]] = node
                self._turns.setdefault(node, {})[turn_ids[i]] = None

    def _check(self, vectors: Floats2d) -> None:
        if self._graph is None:
            self._graph = Graph(
                ndim=vectors.shape[1],
                metric="cos",
                dtype="f16",
                connectivity=CONNECTIVITY,
                expansion_add=EFFORT_ADD,
                expansion_search=EFFORT_SEARCH,
            )
        if vectors.shape[1] != self._graph.ndim:
            raise BadInput(f"vectors of {vectors.shape[1]} dimensions for an index of {self._graph.ndim}")

    def _nodes(self, vectors: Floats2d) -> list[int]:
        """The node of each vector: that of an equal one in the graph, that of an equal one before it, or a new one."""
        assert self._graph is not None  # noqa: S101 - _check made it
        known, cosines = self._nearest(vectors, 1)
        first = first_equals(vectors)
        nodes: list[int] = []
        fresh: list[int] = []
        for i in range(len(vectors)):
            if cosines[i, 0] >= SAME:
                nodes.append(int(known[i, 0]))
            elif first[i] < i:
                nodes.append(nodes[first[i]])
            else:
                nodes.append(self._next_node)
                fresh.append(i)
                self._next_node += 1
        if fresh:
            keys = np.array([nodes[i] for i in fresh], np.uint64)
            self._graph.add(keys, np.ascontiguousarray(vectors[fresh]), threads=self._threads)
        return nodes

    def _nearest(self, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        """Nodes and cosines (n, k), -1 and -1 where the graph has no more."""
        nodes = np.full((len(vectors), k), NO_TURN, np.int64)
        cosines = np.full((len(vectors), k), -1, np.float32)
        if self._graph is not None and len(self._graph):
            wanted = min(k, len(self._graph))
            is_exact = len(self._graph) < EXACT_BELOW
            matches = self._graph.search(np.ascontiguousarray(vectors), wanted, threads=self._threads, exact=is_exact)
            if isinstance(matches, BatchMatches):
                keys, distances, counts = matches.keys, matches.distances, matches.counts
            else:  # a matrix of one row is answered like a vector
                keys, distances, counts = matches.keys[None], matches.distances[None], np.array([len(matches)])
            # A row has `count` matches; what stands behind them is rubbish.
            at = np.nonzero(np.arange(keys.shape[1]) < counts[:, None])
            nodes[at] = keys[at].astype(np.int64)
            cosines[at] = np.clip(1 - distances[at], -1, 1)
        return nodes, cosines

    def search(self, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        """Turn ids and cosines (n, k), nearest first, of equal ones the newest; -1 and -1 where there are no more."""
        with self._lock:
            if self._graph is not None:
                self._check(vectors)
            nodes, node_cosines = self._nearest(vectors, k)
            turn_ids = np.full((len(vectors), k), NO_TURN, np.int64)
            cosines = np.full((len(vectors), k), -1, np.float32)
            for i in range(len(vectors)):
                self._unfold(nodes[i], node_cosines[i], turn_ids[i], cosines[i])
        return turn_ids, cosines

    def _unfold(self, nodes: Ints1d, node_cosines: Floats1d, turn_ids: Ints1d, cosines: Floats1d) -> None:
        """Write the nodes' turns into the row, until it is full."""
        at = 0
        for node, cosine in zip(nodes.tolist(), node_cosines.tolist(), strict=True):
            for turn_id in reversed(self._turns.get(node, {})):
                if at == len(turn_ids):
                    return
                turn_ids[at], cosines[at] = turn_id, cosine
                at += 1

    def remove(self, turn_ids: Sequence[int]) -> None:
        """Unknown turns do not matter."""
        with self._lock:
            for turn_id in turn_ids:
                node = self._node_of.pop(turn_id, None)
                if node is not None:
                    self._leave(node, turn_id)

    def _leave(self, node: int, turn_id: int) -> None:
        del self._turns[node][turn_id]
        if not self._turns[node]:
            del self._turns[node]
            assert self._graph is not None  # noqa: S101 - a node lies in it
            self._graph.remove(node)


def first_equals(vectors: Floats2d) -> Ints1d:
    """For each row the first row equal to it, itself at the latest."""
    equal = vectors @ vectors.T >= SAME
    np.fill_diagonal(equal, True)
    first: Ints1d = equal.argmax(axis=1)
    return first


class _Built(NamedTuple):
    """An index; `done` when all that was in SQL is in it."""

    identity: str
    neighbours: NeighbourIndex
    done: "Future[None]"


class NeighbourIndexes:
    """One index per bot, of its current encoder; the index of an earlier one is dropped whole."""

    def __init__(self, engine: sa.Engine, threads: int = 1) -> None:
        self._engine = engine
        self._threads = threads
        self._lock = threading.Lock()
        self._by_bot: dict[str, _Built] = {}
        self._builders = ThreadPoolExecutor(2, thread_name_prefix="build")
        self._stopped = threading.Event()

    def search(self, bot: str, identity: str, vectors: Floats2d, k: int, deadline: float) -> tuple[Ints2d, Floats2d]:
        return self._complete(bot, identity, deadline).search(vectors, k)

    def add(self, bot: str, identity: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        """Does not wait for the index to be built: who adds has committed, so nothing is lost between the two."""
        self._of(bot, identity).neighbours.add(turn_ids, vectors)

    def remove(self, bot: str, identity: str, turn_ids: Sequence[int], deadline: float) -> None:
        # A build could still bring back what it has read before.
        self._complete(bot, identity, deadline).remove(turn_ids)

    def prepare(self, bot: str, identity: str) -> None:
        """Begin to build."""
        self._of(bot, identity)

    def close(self) -> None:
        self._stopped.set()
        self._builders.shutdown(cancel_futures=True)

    def _complete(self, bot: str, identity: str, deadline: float) -> NeighbourIndex:
        built = self._of(bot, identity)
        try:
            built.done.result(remaining(deadline))
        except (TimeoutError, CancelledError) as error:
            raise EncoderDown(
                f"the neighbour index of bot {bot!r} is being built: {len(built.neighbours)} turns so far"
            ) from error
        except sa.exc.OperationalError as error:
            self._drop(bot, built)
            raise EncoderDown(f"the neighbour index of bot {bot!r} could not be read: {error.orig}") from error
        return built.neighbours

    def _of(self, bot: str, identity: str) -> _Built:
        with self._lock:
            built = self._by_bot.get(bot)
            if built is None or built.identity != identity:
                index = NeighbourIndex(self._threads)
                built = _Built(identity, index, self._builders.submit(self._build, bot, identity, index))
                self._by_bot[bot] = built
            return built

    def _drop(self, bot: str, built: _Built) -> None:
        with self._lock:
            if self._by_bot.get(bot) is built:
                del self._by_bot[bot]

    def _build(self, bot: str, identity: str, index: NeighbourIndex) -> None:
        started = time.monotonic()
        for turn_ids, vectors in iterate_vectors(self._engine, bot, identity):
            if self._stopped.is_set():
                return
            index.add(turn_ids, vectors)
        log.info(
            "neighbours.built", bot=bot, encoder=identity, turns=len(index), s=round(time.monotonic() - started, 1)
        )
