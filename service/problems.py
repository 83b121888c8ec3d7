"""Every error of a request becomes application/problem+json here: domain errors as they are, others through a table.

What a caller can cause is never a 500: a fault that only the database or a decoder notices is still the caller's.
"""

import traceback
import uuid
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import BadInput, DatabaseDown, FencepostError, RedisDown, TooLarge, Unavailable
from service.turns.schemas import Rejected

MEDIA_TYPE = "application/problem+json"
# Said outside instead of the detail, which names hosts and paths.
OUTSIDE = {
    "redis-down": "Redis does not answer",
    "encoder-down": "the encoder does not answer",
    "encoder-unknown": "the encode process cannot load the encoder",
    "database-down": "the database does not answer",
}
UNKNOWN = 500
# What decoders say, in clearer words.
CLEARER = {
    "'data'": "the body is missing",
    "Invalid RFC3339 encoded date": "this is no day; YYYY-MM-DD",
    "Input data was truncated": "the JSON is cut short, or holds half of a surrogate pair",
}

log = structlog.get_logger()


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with `path` into the request, `hint` at the mend and, where there are several, all `faults`."""

    type: str
    title: str
    status: int
    detail: str
    path: str = ""
    hint: str = ""
    faults: tuple[Rejected, ...] = ()


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The exception handler of the app."""
    known = as_domain(error)
    status = known.status if known else UNKNOWN
    problem = _problem(known) if known and status != UNKNOWN else _unknown(request, error)
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=_headers(known, error))


def _problem(error: FencepostError) -> Problem:
    faults: tuple[Rejected, ...] = getattr(error, "faults", ())
    title, detail = HTTPStatus(error.status).phrase, OUTSIDE.get(error.type, error.detail)
    return Problem(error.type, title, error.status, detail, error.path, error.hint, faults)


def _unknown(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """Log where it happened, not what it said: a message may quote a person."""
    reference = uuid.uuid4().hex[:12]
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    handler = str(request.scope.get("route_handler"))
    log.error("request.failed", reference=reference, handler=handler, error=type(error).__name__, frames=frames[-8:])
    detail = f"something went wrong here; the log has it under {reference}"
    return Problem(FencepostError.type, HTTPStatus.INTERNAL_SERVER_ERROR.phrase, UNKNOWN, detail)


def _headers(known: FencepostError | None, error: Exception) -> dict[str, str]:
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(known, Unavailable):
        headers["Retry-After"] = str(known.retry_after_s)
    if known and known.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def as_domain(error: Exception) -> FencepostError | None:
    """The domain error that stands for this one; None for what nobody foresaw."""
    match error:
        case FencepostError():
            return error
        case HTTPException():
            return _of_litestar(error)
        case msgspec.DecodeError():
            return _of_message(str(error))
        case UnicodeError():
            return BadInput("the text holds invalid UTF-8 or half of a surrogate pair")
        case RecursionError():
            return BadInput("the body nests too deeply")
        case OverflowError() | DataError():
            return BadInput("a value is out of range, or holds a NUL character")
        case RedisConnectionError() | RedisTimeoutError():
            return RedisDown(f"no answer from Redis: {error}", hint="is `fencepost up` running?")
        case OperationalError() | InterfaceError() | PoolTimeoutError():
            return DatabaseDown(
                f"no answer from the database: {getattr(error, 'orig', error)}", hint="`fencepost doctor` says why"
            )
    return None


def _of_litestar(error: HTTPException) -> FencepostError:
    if error.status_code == TooLarge.status:
        return TooLarge("the body is larger than 8 MiB")
    known = _of_message(_first(error.extra, "message") or error.detail)
    known.path = _first(error.extra, "key") or known.path
    if error.status_code != HTTPStatus.BAD_REQUEST:
        known.status, known.type = error.status_code, _slug(error.status_code)
    return known


def _first(extra: object, name: str) -> str:
    """`message` or `key` of Litestar's first complaint; its keys look like `turns[1].id`."""
    return str(extra[0].get(name, "")) if isinstance(extra, list) and extra and isinstance(extra[0], dict) else ""


def _slug(status: int) -> str:
    """The stable type of a status.

    >>> _slug(404), _slug(405)
    ('not-found', 'method-not-allowed')
    """
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


def _of_message(text: str) -> BadInput:
    """msgspec's messages end in "- at `$.turns[1].id`"; Litestar says `'data'` where the body is empty."""
    message, _, path = text.partition(" - at `")
    return BadInput(CLEARER.get(message, message), path=path.rstrip("`").removeprefix("$.").removeprefix("$"))
