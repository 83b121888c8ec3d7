"""What a view remembers until it is used: Slack keeps it as the view's private metadata, 3,000 characters at most."""

import msgspec

MOST_SKIPPED = 60  # ids of 32 characters


class Sitting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of the review modal: the bot, and the cards to be left out of it."""

    bot: str
    skipped: tuple[str, ...] = ()

    def skip(self, card: str) -> "Sitting":
        """The latest are remembered: one skipped long ago comes again."""
        return Sitting(self.bot, (*self.skipped, card)[-MOST_SKIPPED:])


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a question about a card: what shows the card, a message or the review modal below."""

    bot: str
    card: str
    channel: str = ""
    ts: str = ""
    sitting: Sitting | None = None


def encode(remembered: Sitting | Asked) -> str:
    return msgspec.json.encode(remembered).decode()


def sitting_of(metadata: str) -> Sitting:
    return msgspec.json.decode(metadata, type=Sitting)


def asked_of(metadata: str) -> Asked:
    return msgspec.json.decode(metadata, type=Asked)
