"""Asking the encode process for predictions, many at a time and none for ever.

Requests wait on threads of their own, as many as share one forward pass: a flood of them takes none from those who
post logs. Those that find all threads busy queue, up to a bound.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from service.context import Context
from service.encoding import EncodeClient
from service.errors import EncoderDown, Unavailable
from service.predict import sealing
from service.predict.schemas import Answer, Question
from service.turns.parsing import check_text

THREADS = 32
BOUND = 256  # requests in hand or queued, of one API process
DEADLINE_S = 10.0  # of a request, its time in the queue included


class PredictBusy(Unavailable):
    type = "predict-busy"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__(
            f"{BOUND} predictions wait already", hint="send again after Retry-After, or more texts at once"
        )


def check(question: Question) -> None:
    """Fault for a text that ingest would not take either."""
    for position, text in enumerate(question.texts):
        check_text(text, f"texts[{position}]")


class Predictors:
    """Used from one event loop."""

    def __init__(self, context: Context) -> None:
        self._keyring = context.keyring
        self._client = EncodeClient(context.settings, context.redis)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")
        self._in_hand = 0

    async def predict(self, bot: str, question: Question) -> Answer:
        """PredictBusy at the bound; EncoderDown when there is no answer in time; NoClassifier."""
        if self._in_hand >= BOUND:
            raise PredictBusy
        self._in_hand += 1
        try:
            until = time.monotonic() + DEADLINE_S
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, bot, question, until)
        finally:
            self._in_hand -= 1

    def _ask(self, bot: str, question: Question, until: float) -> Answer:
        left = until - time.monotonic()
        if left <= 0:
            raise EncoderDown("the encoder is busy with earlier requests")
        sealed = self._client.predict(bot, sealing.seal(self._keyring, bot, question), left)
        return sealing.open_answer(self._keyring, bot, sealed)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self._client.close()
