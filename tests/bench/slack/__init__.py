"""Three people answer a thousand cards in Slack, in the channel and in the review modal, while Slack fails and turns
come in: `python -m tests.bench slack`.

The product runs as it does in an installation: Valkey, SQLite, the HTTP edge, the ingest worker, the jobs worker and
Socket Mode, each a process of its own. Slack is the stand-in, strict about its limits on the real clock. Clicks go by
turns over Socket Mode and to the events URL. What is reported is counted where it happened: votes in SQL, messages and
refusals in the stand-in, acks from sending a request to receiving its answer.

Two things are left out on purpose: the encoder's arithmetic is a fake (ingest's other work is real), and jobs that
train or rank do nothing, for they would make cards and classifiers of their own."""

from tests.bench.slack.measuring import measure

__all__ = ("measure",)
