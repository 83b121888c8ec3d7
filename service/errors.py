"""Domain errors, one cause each; HTTP statuses are decided here and nowhere else.

FencepostError
 ├ ConfigError          –    a setting is wrong; the process does not start
 ├ BadInput             400  what was sent is wrong: the path says where
 ├ Unauthorized         401  no key, no session, or an expired one
 ├ Forbidden            403  the role does not reach that far
 ├ NotFound             404
 ├ Conflict             409  the state moved on
 ├ Gone                 410  archived
 ├ TooLarge             413
 └ Unavailable          503  a dependency is down or full: try again
"""

from collections.abc import Sequence


class FencepostError(Exception):
    """Root of the tree. `type` is the stable name in problem+json; `hint` says the mend."""

    status = 500
    type = "internal-error"

    def __init__(self, detail: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(detail)
        self.detail, self.hint, self.path = detail, hint, path


class ConfigError(FencepostError):
    type = "config-error"


class BadInput(FencepostError):
    status, type = 400, "bad-input"


class Unauthorized(FencepostError):
    status, type = 401, "unauthorized"


class Forbidden(FencepostError):
    status, type = 403, "forbidden"


class NotFound(FencepostError):
    status, type = 404, "not-found"


class Conflict(FencepostError):
    status, type = 409, "conflict"


class Gone(FencepostError):
    status, type = 410, "gone"


class TooLarge(FencepostError):
    status, type = 413, "too-large"


class Unavailable(FencepostError):
    status, type = 503, "unavailable"
    retry_after_s = 5


class BotNotFound(NotFound):
    type = "bot-not-found"

    def __init__(self, bot: str) -> None:
        super().__init__(f"there is no bot {bot!r}", hint="`fencepost bot list` names them")


class BotArchived(Gone):
    type = "bot-archived"

    def __init__(self, bot: str) -> None:
        super().__init__(f"bot {bot!r} is archived")


class BotExists(Conflict):
    type = "bot-exists"

    def __init__(self, bot: str) -> None:
        super().__init__(f"there is a bot {bot!r} already", path="name")


class KeyNotFound(NotFound):
    type = "key-not-found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no key {key_id!r}", hint="`fencepost keys list` names them")


class SessionNotFound(NotFound):
    type = "session-not-found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"there is no session {session_id!r}", hint="`fencepost sessions list` names them")


class SignInSpent(Gone):
    type = "sign-in-spent"

    def __init__(self) -> None:
        super().__init__("this sign-in link was used or has expired", hint="`fencepost sign-in` prints a new one")


class IntentNameTaken(Conflict):
    type = "intent-name-taken"

    def __init__(self, bot: str, name: str, holder: str) -> None:
        super().__init__(
            f"bot {bot!r} knows {name!r} as a name of intent {holder!r}",
            path="name",
            hint="merge the two, or choose another name",
        )


class SourceNotFound(NotFound):
    type = "source-not-found"

    def __init__(self, bot: str, source: str) -> None:
        super().__init__(f"bot {bot!r} has no source {source!r}", hint="`fencepost bot show` names them")


class SourceExists(Conflict):
    type = "source-exists"

    def __init__(self, bot: str, source: str) -> None:
        super().__init__(f"bot {bot!r} has a source {source!r} already", path="name", hint="`fencepost sources set`")


class IntentNotFound(NotFound):
    type = "intent-not-found"

    def __init__(self, bot: str, intent: str | int) -> None:
        super().__init__(f"bot {bot!r} has no intent {intent!r}")


class TurnNotFound(NotFound):
    type = "turn-not-found"

    def __init__(self, bot: str, turn_id: int) -> None:
        super().__init__(f"bot {bot!r} has no turn {turn_id}")


class CardNotFound(NotFound):
    type = "card-not-found"

    def __init__(self, card_id: str) -> None:
        super().__init__(f"there is no card {card_id!r}")


class CardClosed(Conflict):
    type = "card-closed"

    def __init__(self, card_id: str, by: str) -> None:
        super().__init__(f"card {card_id} was resolved by {by}")


class ClassifierNotFound(NotFound):
    type = "classifier-not-found"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(f"bot {bot!r} has no classifier {n}")


class NoClassifier(Conflict):
    """None was trained yet."""

    type = "no-classifier"


class ProposalNotFound(NotFound):
    type = "proposal-not-found"

    def __init__(self, bot: str, proposal_id: int) -> None:
        super().__init__(f"bot {bot!r} has no proposal {proposal_id}", hint="`fencepost proposals list` names them")


class ProposalClosed(Conflict):
    type = "proposal-closed"

    def __init__(self, proposal_id: int, status: str) -> None:
        super().__init__(f"proposal {proposal_id} is {status} already")


class ChartNotFound(NotFound):
    type = "chart-not-found"

    def __init__(self, file: str, known: Sequence[str] = ()) -> None:
        """Without `known`: there is such a chart, and nothing to draw."""
        detail = f"there is no chart {file!r}" if known else f"{file!r} has nothing to show yet"
        super().__init__(detail, hint=f"there are {', '.join(known)}" if known else "", path="file")


class AlertNotFound(NotFound):
    type = "alert-not-found"

    def __init__(self, bot: str, alert_id: int) -> None:
        super().__init__(f"bot {bot!r} has no alert {alert_id}")


class StreamFull(Unavailable):
    type = "stream-full"

    def __init__(self, bot: str, bound: int) -> None:
        super().__init__(f"bot {bot!r} has {bound} facts waiting to be ingested", hint="send again after Retry-After")


class RedisDown(Unavailable):
    type = "redis-down"


class EncoderDown(Unavailable):
    type = "encoder-down"


class DatabaseDown(Unavailable):
    type = "database-down"
