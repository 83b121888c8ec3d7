"""Redis: every key in one table, and the stream of facts per bot."""

from typing import NamedTuple


class Key(NamedTuple):
    """A key's pattern; `{bot}` becomes the hash tag, so that all keys of a bot live in one slot of a Redis Cluster."""

    pattern: str

    def of(self, bot: str, **parts: str) -> str:
        return self.pattern.format(bot="{" + bot + "}", **parts)


TURNS = Key("fp:{bot}:v1:turns")                  # stream of sealed envelopes; group "ingest"
DEAD = Key("fp:{bot}:v1:dead")                    # stream of sealed envelopes that failed five times on their own
FAILURES = Key("fp:{bot}:v1:failures")            # hash: entry id -> its own failures so far
DELIVERY = Key("fp:{bot}:v1:delivery:{source}:{id}")  # the first answer to a delivery; 8 days
PENDING = Key("fp:{bot}:v1:pending:{job}")        # flag: the job is queued and has not begun; 2 minutes
BOTS = "fp:bots"                                  # set: bots that ever had a stream
