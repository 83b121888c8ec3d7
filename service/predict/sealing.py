"""Questions and answers on their way to the encode process and back: sealed, for they hold what people said, and the
way may lead through Redis."""

import msgspec

from service.keyring import Keyring
from service.predict.schemas import Answer, Question

_encode = msgspec.msgpack.Encoder().encode
_decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


def seal(keyring: Keyring, bot: str, said: Question | Answer) -> bytes:
    return keyring.seal(_purpose(bot), _encode(said))


def open_question(keyring: Keyring, bot: str, sealed: bytes) -> Question:
    """Undecipherable when another key sealed it, or for another bot; msgspec.DecodeError when it is no question."""
    return _decode_question(keyring.open(_purpose(bot), sealed))


def open_answer(keyring: Keyring, bot: str, sealed: bytes) -> Answer:
    return _decode_answer(keyring.open(_purpose(bot), sealed))


def _purpose(bot: str) -> str:
    return f"predict:{bot}"
