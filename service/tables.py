"""Every table, by feature. Personal content sits in tables of its own (`*_content`, `vector`), keyed by the row it
belongs to, so that forgetting a person deletes content and leaves the ledgers, which hold ids and numbers only.

Names: `bot` is the bot's name, `_at` an aware UTC instant, `n` a classifier's number within its bot, `intent_id` NULL
means `none` (out of scope) where `answer` is "none". Intent *names* as the platform sent them are kept beside ids, for
an unknown intent is not dropped."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

# SQLite gives a row id only to a column of type INTEGER; Postgres wants 64 bits for a table of millions.
Id = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """Aware UTC datetime; SQLite keeps it naive, in UTC. A naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()


def _bot() -> Column[Any]:
    return Column("bot", String(40), nullable=False)


# bots, sources, access

bot = Table(
    "bot",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Column("encoder", Text, nullable=False, default=""),  # "": the installation's
    Column("champion", Integer),  # n of the classifier in force
    Column("audit_rate", Float, nullable=False, default=0.05),
    Column("weekly_budget", Integer, nullable=False, default=500),
    Column("batch_size", Integer, nullable=False, default=20),
    Column("low_water", Integer, nullable=False, default=10),  # open cards below which a ranking is asked for
    Column("patterns", JSON, nullable=False, default=list),  # [{"name", "regex"}]: redacted besides the built-in kinds
    Column("slack_channel", Text, nullable=False, default=""),
    Column("target", Float),  # share of right answers from which on the owner wants no more labels
    Column("minutes_per_error", Float),  # what a wrong answer costs people, for the advice to weigh labels against
    Column("uncertainty", String(12), nullable=False, default="ours"),  # or theirs, disagreement: what ranks turns
    Column("overlap", Integer, nullable=False, default=2),  # people a blind card asks, where the bot has as many
    Column("policy", String(12), nullable=False, default="majority"),  # or single, dawid_skene: how their votes decide
    Column("compared_label", Id, nullable=False, default=0),  # up to which new labels were held against old ones
    Column("quiet_hours", String(11), nullable=False, default=""),  # HH:MM-HH:MM: nothing is posted to the channel
    Column("timezone", String(64), nullable=False, default="UTC"),  # of quiet hours and of a reviewer's day
    Column("daily_limit", Integer, nullable=False, default=0),  # votes of one reviewer a day; 0: no limit
)

source = Table(
    "source",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("format", String(40), nullable=False),
    Column("scheme", String(40), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Column("tolerance_s", Integer, nullable=False, default=300),  # how far a signed time may be off
    Column("options", JSON, nullable=False, default=dict),  # what the format lets a source say, e.g. a field map
)

source_secret = Table(
    "source_secret",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("source", String(40), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # AES-GCM under the installation's key
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(16), primary_key=True),  # the public part of the key
    Column("bot", String(40)),  # NULL: every bot
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),  # who votes with it
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
)

sign_in = Table(  # one-time links
    "sign_in",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("bot", String(40)),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),  # "": the person is asked
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

session = Table(  # console sessions
    "session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("bot", String(40)),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("key_id", String(16)),  # of the key that opened it and ends it; NULL: a link did
)

person_role = Table(  # of people whom a proxy signs in
    "person_role",
    metadata,
    Column("name", String(80), primary_key=True),  # as the proxy writes it
    Column("bot", String(40), primary_key=True),  # "": every bot
    Column("role", String(16), nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("bot", String(40)),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", String(60), nullable=False),
    Column("details", JSON, nullable=False, default=dict),
    Index("audit_log_by_bot", "bot", "id"),
    Index("audit_log_by_action", "bot", "action", "id"),
)

# intents

intent = Table(
    "intent",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("id", Integer, primary_key=True),  # 1, 2, … within the bot; never reused
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Column("merged_into", Integer),  # its labels count for that intent
)

intent_name = Table(  # every name an intent ever had, so that old logs map
    "intent_name",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("intent_id", Integer, nullable=False),
)

# turns, replies, reports: independent, joined on read

NOT_SAID = ("import", "gold")  # sources of turns that nobody said to the bot: intents' examples, the gold set

turn = Table(
    "turn",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("source", String(40), nullable=False),  # "import": an intent's example; "gold": the gold set
    Column("external_id", String(300), nullable=False),
    Column("delivery_id", String(300), nullable=False, default=""),
    Column("conversation_id", String(300), nullable=False, default=""),
    Column("at", Instant, nullable=False),  # event time, never after received_at
    Column("received_at", Instant, nullable=False),
    Column("lang", String(35), nullable=False, default=""),
    Column("channel", String(100), nullable=False, default=""),
    Column("bot_version", String(100), nullable=False, default=""),
    Column("bot_intent", String(200), nullable=False, default=""),  # what the platform's NLU made of it
    Column("bot_score", Float),
    Column("is_fallback", Boolean, nullable=False, default=False),
    Column("is_slot_fill", Boolean, nullable=False, default=False),
    Column("text_key", LargeBinary, nullable=False),  # HMAC of the folded text: exact repeats meet here
    Column("entity_signature", Text, nullable=False, default=""),
    Column("forgotten_at", Instant),  # a tombstone: content is gone, the key stays taken
    UniqueConstraint("bot", "source", "external_id"),
    Index("turn_by_bot", "bot", "id"),  # walks through a bot's turns in chunks
    Index("turn_by_time", "bot", "at"),
    Index("turn_by_conversation", "bot", "conversation_id", "at"),
    Index("turn_by_text", "bot", "text_key"),
    Index(
        "turn_by_forgotten",
        "bot",
        "forgotten_at",
        sqlite_where=text("forgotten_at IS NOT NULL"),
        postgresql_where=text("forgotten_at IS NOT NULL"),
    ),
)

turn_content = Table(
    "turn_content",
    metadata,
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # redacted
    Column("redactions", JSON, nullable=False, default=list),  # [[start, end, new_start, new_end, kind]], characters
    Column("entities", JSON, nullable=False, default=list),  # [{"type","value","start","end"}] in the redacted text
    Column("intents", JSON, nullable=False, default=list),  # [{"name","score"}], the platform's, best first
    Column("person", String(64), nullable=False, default=""),  # HMAC of the platform's user id
)

turn_words = Table(  # what a turn's text is searched by: service/turns/word_index.py; deleted with its content
    "turn_words",
    metadata,
    Column("rowid", Id, primary_key=True, autoincrement=False),  # the turn's id, as SQLite's full-text search names it
    Column("words", Text, nullable=False),
)

vector = Table(
    "vector",
    metadata,
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("encoder", String(80), primary_key=True),  # the encoder's identity
    Column("data", LargeBinary, nullable=False),  # float16, unit length
)

reply = Table(
    "reply",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("source", String(40), nullable=False),
    Column("external_id", String(300), nullable=False),
    Column("delivery_id", String(300), nullable=False, default=""),
    Column("conversation_id", String(300), nullable=False, default=""),
    Column("turn_external_id", String(300), nullable=False, default=""),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("intent", String(200), nullable=False, default=""),
    UniqueConstraint("bot", "source", "external_id"),
    Index("reply_by_conversation", "bot", "conversation_id", "at"),
    Index("reply_by_turn", "bot", "source", "turn_external_id"),
)

reply_content = Table(
    "reply_content",
    metadata,
    Column("reply_id", Id, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
)

report = Table(
    "report",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("source", String(40), nullable=False),
    Column("external_id", String(300), nullable=False),  # derived from what it says: a report has no id of its own
    Column("delivery_id", String(300), nullable=False, default=""),
    Column("conversation_id", String(300), nullable=False, default=""),
    Column("turn_external_id", String(300), nullable=False, default=""),
    Column("reply_external_id", String(300), nullable=False, default=""),
    Column("kind", String(20), nullable=False),
    Column("is_explicit", Boolean, nullable=False, default=True),
    Column("intent", String(200), nullable=False, default=""),  # of a correction
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("bot", "source", "external_id"),
    Index("report_by_kind", "bot", "kind"),
    Index("report_by_turn", "bot", "source", "turn_external_id"),
    Index("report_by_reply", "bot", "source", "reply_external_id"),
)

report_content = Table(
    "report_content",
    metadata,
    Column("report_id", Id, primary_key=True, autoincrement=False),
    Column("comment", Text, nullable=False, default=""),  # redacted
    Column("person", String(64), nullable=False, default=""),
)

# predictions, marks, candidates, rankings

prediction = Table(
    "prediction",
    metadata,
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True),  # the classifier that made it
    _bot(),
    Column("intent_id", Integer),  # NULL: out of scope
    Column("best_id", Integer, nullable=False),  # the two most probable intents, in scope or not
    Column("second_id", Integer),
    Column("p1", Float, nullable=False),
    Column("p2", Float, nullable=False),
    Column("out_of_scope", Float, nullable=False, default=0.0),  # the gate's probability
    Column("uncertainty", Float, nullable=False),
    Column("whose", String(12), nullable=False, default="ours"),  # uncertainty it is, as the bot's setting was
    Column("confidence", Float),  # chance that the platform's intent is right; NULL: it named none that we know
    Index("prediction_by_classifier", "bot", "n", "turn_id"),
    Index("prediction_by_intent", "bot", "intent_id", "turn_id"),
)

mark = Table(
    "mark",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("turn_id", Id, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("value", Float, nullable=False),
    Column("rate", Float),  # of an audit mark: the chance it had
    Column("n", Integer),  # the classifier in force
    Column("at", Instant, nullable=False),
    UniqueConstraint("turn_id", "kind"),
    Index("mark_by_kind", "bot", "kind", "turn_id"),
)

candidate = Table(
    "candidate",
    metadata,
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    _bot(),
    Column("status", String(10), nullable=False, default="open"),  # open, folded, carded, labelled
    Column("folded_into", Id),  # the turn whose card stands for this one
    Column("n", Integer),  # the classifier behind uncertainty
    Column("uncertainty", Float, nullable=False, default=0.0),  # with reports believed: design.md §6
    Column("structure", Float, nullable=False, default=0.0),  # entity surprise and boundary ambiguity
    Column("pressure", Float, nullable=False, default=0.0),  # e(x), error pressure
    Column("impact", Float, nullable=False, default=0.0),  # f(x), log scale
    Column("measured_at", Instant),  # when pressure and impact were; NULL: not yet
    Column("created_at", Instant, nullable=False),
    Index("candidate_by_status", "bot", "status"),
    Index("candidate_by_fold", "folded_into"),
    Index(
        "candidate_unmeasured",
        "bot",
        "status",
        "turn_id",
        sqlite_where=text("measured_at IS NULL"),
        postgresql_where=text("measured_at IS NULL"),
    ),
)

structure = Table(  # how many turns a classifier put under an intent with that entity signature
    "structure",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("intent_id", Integer, primary_key=True),
    Column("signature", Text, primary_key=True),
    Column("turns", Integer, nullable=False),
)

ranking = Table(
    "ranking",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("at", Instant, nullable=False),
    Column("n", Integer, nullable=False),  # the classifier
    Column("seed", BigInteger, nullable=False),
    Column("strategy", String(60), nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("weights", JSON, nullable=False),
)

ranking_item = Table(
    "ranking_item",
    metadata,
    Column("ranking_id", Id, primary_key=True, autoincrement=False),
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),  # 0 = first by priority
    Column("picked", Boolean, nullable=False),
    Column("priority", Float, nullable=False),
    Column("factors", JSON, nullable=False),
    Index("ranking_item_by_turn", "turn_id", "ranking_id"),
)

tally = Table(  # what a day of event time brought, kept so that no page counts the log: service/turns/tally.py
    "tally",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC's
    Column("bot_version", String(100), primary_key=True),  # "" of reports
    Column("what", String(30), primary_key=True),
    Column("n", Integer, nullable=False),
)

source_day = Table(  # what a source brought of each day of event time: service/turns/brought.py
    "source_day",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC's
    Column("turns", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),  # the newest of them
)

# cards, votes, labels

card = Table(
    "card",
    metadata,
    Column("id", String(32), primary_key=True),
    _bot(),
    Column("turn_id", Id, nullable=False),
    Column("purpose", String(8), nullable=False),  # rank, audit, flip
    Column("challenger", Integer, nullable=False, default=0),  # of a flip
    Column("ranking_id", Id),
    Column("is_blind", Boolean, nullable=False),
    Column("overlap", Integer, nullable=False, default=1),  # votes it wants
    Column("policy", String(12), nullable=False, default="majority"),  # the bot's when the card was made
    Column("priority", Float, nullable=False, default=0.0),  # higher = first within its purpose
    Column("status", String(12), nullable=False, default="open"),  # open, resolved, adjudicate, withdrawn
    Column("is_settled", Boolean, nullable=False, default=True),  # False: a vote came that the labels do not know yet
    Column("tagged", JSON(none_as_null=True)),  # [[start, end, type]], as the tagger saw it; NULL: there was none
    Column("weighed_vote", Id),  # the vote that weighing the reviewers chose, where they did not agree
    Column("returned_after", Id),  # its last vote when a contradicting label brought it back; later ones decide anew
    Column("created_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    UniqueConstraint("turn_id", "purpose", "challenger"),  # the fence: a ranking that runs twice makes no second card
    Index("card_by_status", "bot", "status", "purpose"),
    Index("card_by_settled", "bot", "is_settled"),
)

claim = Table(  # who has a card on screen, until when
    "claim",
    metadata,
    Column("card_id", String(32), primary_key=True),
    Column("reviewer", String(200), primary_key=True),
    Column("until", Instant, nullable=False),
)

message = Table(  # a Slack message of one or several cards
    "message",
    metadata,
    Column("id", String(32), primary_key=True),  # in the metadata of the message: it can be looked up
    _bot(),
    Column("channel", String(40), nullable=False),
    Column("status", String(10), nullable=False),  # sending, posted, failed
    Column("first_at", Instant, nullable=False),  # where the look-up of an unknown outcome begins
    Column("attempted_at", Instant, nullable=False),
    Column("ts", String(40), nullable=False, default=""),
    Column("redraw_at", Instant, nullable=False),  # not redrawn before: the fence of those who would
    Index("message_by_status", "bot", "status"),
)

post = Table(  # which message a card stands on, and what the message shows of it
    "post",
    metadata,
    Column("card_id", String(32), primary_key=True),  # the fence: a card stands on one message
    Column("message_id", String(32), nullable=False),
    Column("shown", String(12), nullable=False, default=""),  # the card's status, or gone; "": not known
    Column("vote_id", Id, nullable=False, default=0),  # the card's newest vote that is shown; 0: none
    Index("post_by_message", "message_id"),
    Index("post_by_shown", "shown"),
)

notice = Table(  # what a channel is told besides cards, kept before it is posted: it is told once
    "notice",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("key", String(80), nullable=False),  # what it is about: the fence
    Column("created_at", Instant, nullable=False),
    Column("news", JSON, nullable=False),  # names, ids and numbers, no text of users
    Column("message_id", String(32)),  # NULL: not posted yet
    Column("decision", String(12), nullable=False, default=""),  # an owner's: promote, hold; late: it was too late
    Column("decided_by", String(200), nullable=False, default=""),
    Column("shown", String(12), nullable=False, default=""),  # the decision that the message shows; "?": not known
    UniqueConstraint("bot", "key"),
    Index("notice_by_message", "message_id"),
)

notice_turn = Table(  # turns whose text a notice quotes
    "notice_turn",
    metadata,
    Column("notice_id", Id, primary_key=True, autoincrement=False),
    Column("turn_id", Id, primary_key=True, autoincrement=False),
)

slack_pace = Table(  # how fast Slack is asked, over all processes
    "slack_pace",
    metadata,
    Column("name", String(80), primary_key=True),  # a method, or a method and a channel
    Column("until", Instant, nullable=False),  # the instant up to which requests are booked
)

slack_trouble = Table(  # what Slack refuses at present, and when to ask again; gone once it accepts
    "slack_trouble",
    metadata,
    Column("channel", String(40), primary_key=True),  # "": any, for one token serves every bot
    Column("method", String(60), primary_key=True),  # "": any
    Column("error", String(60), nullable=False),
    Column("since", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),  # last
    Column("failures", Integer, nullable=False),  # in a row
    Column("until", Instant, nullable=False),  # not asked before
)

slack_picture = Table(  # the newest file of each
    "slack_picture",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("name", String(20), primary_key=True),  # progress, mix
    Column("key", String(64), nullable=False),  # SHA-256 of the data drawn
    Column("file_id", String(40), nullable=False),
    Column("alt", Text, nullable=False),  # the same in words
    Column("at", Instant, nullable=False),  # when Slack had taken it
)

vote = Table(
    "vote",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("card_id", String(32), nullable=False),
    Column("reviewer", String(200), nullable=False),
    Column("answer", String(10), nullable=False),  # intent, none, unsure, two, new, undo
    Column("intent_id", Integer),
    Column("second_id", Integer),
    Column("proposed", String(200), nullable=False, default=""),  # of "new": the name the reviewer wrote
    Column("is_adjudication", Boolean, nullable=False, default=False),  # an adjudicator's, on a card put before one
    Column("spans", JSON),  # [[start, end, type]]; NULL: entities not looked at
    Column("surface", String(10), nullable=False),  # console, slack, terminal, api
    Column("click_id", String(200), nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("bot", "click_id"),
    Index("vote_by_card", "card_id"),
    Index("vote_by_time", "bot", "at"),
    Index("vote_by_reviewer", "bot", "reviewer", "at", "answer"),
)

remark_content = Table(  # what people write about a turn; deleted with its content: by a trigger on SQLite
    "remark_content",
    metadata,
    Column("id", Id, primary_key=True),
    Column("turn_id", Id, ForeignKey("turn_content.turn_id", ondelete="CASCADE"), nullable=False),
    Column("vote_id", Id),  # whose reason it is
    Column("label_id", Id),  # of a correction: the label that was wrong
    Column("text", Text, nullable=False),  # redacted, see service/bots/redacting.py
    Index("remark_by_turn", "turn_id"),
    Index("remark_by_vote", "vote_id"),
    Index("remark_by_label", "label_id"),
)

label = Table(  # append-only: the newest row of a turn and use counts
    "label",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("turn_id", Id, nullable=False),
    Column("use", String(6), nullable=False),  # train, audit, flip, gold
    Column("answer", String(10), nullable=False),  # intent, none, two, undo
    Column("intent_id", Integer),
    Column("second_id", Integer),
    Column("spans", JSON),
    Column("origin", String(8), nullable=False),  # vote, import, weak, fold
    Column("weight", Float, nullable=False, default=1.0),
    Column("card_id", String(32), nullable=False, default=""),
    Column("vote_id", Id),  # the vote that decided it
    Column("at", Instant, nullable=False),
    Index("label_by_turn", "turn_id", "use"),
    Index("label_by_bot", "bot", "use", "id"),
    Index("label_by_intent", "bot", "use", "intent_id", "id"),
    Index("label_by_said", "bot", "intent_id", "turn_id"),
    Index(  # few labels say two
        "label_by_second",
        "bot",
        "second_id",
        "turn_id",
        sqlite_where=text("second_id IS NOT NULL"),
        postgresql_where=text("second_id IS NOT NULL"),
    ),
    Index("label_by_card", "card_id"),
    Index("label_by_time", "bot", "at"),
)

contradiction = Table(  # two turns that say the same and were labelled differently: each pair comes back once
    "contradiction",
    metadata,
    Column("low_turn", Id, primary_key=True, autoincrement=False),
    Column("high_turn", Id, primary_key=True, autoincrement=False),
    _bot(),
    Column("card_id", String(32), nullable=False),  # the older label's, which came back
    Column("label_id", Id, nullable=False),  # the newer one
    Column("at", Instant, nullable=False),
    Index("contradiction_by_card", "card_id"),
)

function_set = Table(  # labelling functions, append-only: a bot's newest row counts
    "function_set",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("text", Text, nullable=False),  # YAML
    Index("function_set_by_bot", "bot", "id"),
)

# classifiers

classifier = Table(
    "classifier",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("status", String(10), nullable=False),  # training, challenger, champion, held, retired
    Column("created_at", Instant, nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("sha256", String(64), nullable=False, default=""),
)

classifier_weights = Table(
    "classifier_weights",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),  # safetensors
)

tagger = Table(  # of entities; the newest one of a bot is in force, whichever classifier is
    "tagger",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),  # the classifier it was trained with
    Column("sha256", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),  # safetensors: the CRF in CRFsuite's format, and its lexicon
)

gate = Table(
    "gate",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("challenger", Integer, primary_key=True),
    Column("champion", Integer, nullable=False),
    Column("status", String(10), nullable=False),  # open, promoted, held, void
    Column("compared", Integer, nullable=False),  # recent turns looked at
    Column("disagreed", Integer, nullable=False),
    Column("wins", Integer, nullable=False, default=0),
    Column("losses", Integer, nullable=False, default=0),
    Column("neither", Integer, nullable=False, default=0),
    Column("opened_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("reason", Text, nullable=False, default=""),
)

flip = Table(
    "flip",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("challenger", Integer, primary_key=True),
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("champion_intent_id", Integer),  # NULL: out of scope
    Column("challenger_intent_id", Integer),
)

# proposals

proposal = Table(  # turns far from every label that mean one thing: an intent the bot may lack
    "proposal",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("n", Integer, nullable=False),  # the classifier in force
    Column("at", Instant, nullable=False),
    Column("status", String(10), nullable=False, default="open"),  # open, accepted, dismissed, lapsed
    Column("turns", Integer, nullable=False),  # of the log looked at, repeats of a text among them
    Column("tightness", Float, nullable=False),
    Column("phrases", JSON, nullable=False, default=list),  # not shown once one of its turns is forgotten
    Column("intent_id", Integer),  # what it was accepted as
    Column("decided_at", Instant),
    Column("encoder", String(80), nullable=False, default=""),  # whose vectors `middle` is of
    Column("middle", LargeBinary),  # float16, of at least 8 texts; NULL: found before middles were kept
    Column("before", Float),  # its share of the turns before the newest window where it grew; NULL: it does not grow
    Column("now", Float),  # and in that window
    Index("proposal_by_status", "bot", "status", "id"),
)

proposal_turn = Table(
    "proposal_turn",
    metadata,
    Column("proposal_id", Id, primary_key=True, autoincrement=False),
    Column("turn_id", Id, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),  # 0: the medoid, then by distance from it
    Index("proposal_by_turn", "turn_id"),
)

# releases

release = Table(
    "release",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),  # its version: 1, 2, … within the bot
    Column("created_at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),  # the owner's
    Column("champion", Integer),  # n of the classifier in force then
    Column("accuracy", JSON(none_as_null=True)),  # of that one; NULL: too little was known
    Column("intents", JSON, nullable=False),  # as they were then, archived ones too
    Column("changes", JSON, nullable=False),  # since the release before
)

release_rows = Table(  # which labels it holds, as packed by exports/held.py
    "release_rows",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# drift

drift_window = Table(  # what was measured of the turns up to the end of a day
    "drift_window",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("day", Date, primary_key=True),  # its last one, of UTC
    Column("n", Integer, nullable=False),  # the classifier that decided both samples
    Column("since", Date, nullable=False),  # its first day
    Column("reference_since", Date, nullable=False),  # of the days before `since`
    Column("turns", Integer, nullable=False),  # drawn
    Column("reference_turns", Integer, nullable=False),
    Column("reason", Text, nullable=False, default=""),  # why it is not measured; "": it is
    Column("is_alarm", Boolean, nullable=False, default=False),
    Column(
        "findings", JSON, nullable=False, default=list
    ),  # [[name, subject, value, by_chance, p, Holm's p, is_alarm]]
    Column("likeliest", JSON, nullable=False, default=list),  # ids of turns that differ most, the farthest first
    Column("versions", JSON, nullable=False, default=dict),  # `bot_version`s that the reference lacks → their first day
    Column("read_at", Instant),  # when its turns were; NULL: before that was kept
)

alert = Table(  # a bot's turns are not what they were
    "alert",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("since", Date, nullable=False),  # first day with an alarm
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("moved", JSON, nullable=False),  # [[name, subject]] of what was ever an alarm in it
    Index("alert_by_bot", "bot", "id"),
    Index(  # the fence: one at a time
        "alert_open",
        "bot",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

# people in Slack

slack_role = Table(
    "slack_role",
    metadata,
    Column("bot", String(40), primary_key=True),
    Column("subject", String(40), primary_key=True),  # U… or W…: a user; S…: a user group
    Column("role", String(16), nullable=False),
)

slack_member = Table(  # of user groups, as Slack said last
    "slack_member",
    metadata,
    Column("group_id", String(40), primary_key=True),
    Column("user_id", String(40), primary_key=True),
    Index("slack_member_by_user", "user_id"),
)

slack_app = Table(  # a chatbot that lives in Slack
    "slack_app",
    metadata,
    Column("app_id", String(40), primary_key=True),
    _bot(),
    Column("source", String(40), nullable=False),
)

# events: what other systems are told

endpoint = Table(  # a URL that is told what happens
    "endpoint",
    metadata,
    Column("id", Id, primary_key=True),
    _bot(),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False, default=list),  # types it is told; empty: all
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_because", String(10), nullable=False, default=""),  # owner, gone, failing
    Column("failing_since", Instant),  # when its first attempt failed after the last that did not
    Index("endpoint_by_bot", "bot"),
    sqlite_autoincrement=True,  # what is noted of a removed one stays, and is never another's
)

endpoint_secret = Table(
    "endpoint_secret",
    metadata,
    Column("id", Id, primary_key=True),
    Column("endpoint_id", Id, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # AES-GCM under the installation's key
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Index("endpoint_secret_by_endpoint", "endpoint_id"),
)

event = Table(  # the outbox: written in the transaction of what happened
    "event",
    metadata,
    Column("id", String(40), primary_key=True),  # grows with time
    _bot(),
    Column("type", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("data", JSON, nullable=False),  # ids, numbers and names, no text of users
    Index("event_by_bot", "bot", "id"),
    Index("event_by_time", "at"),
)

sending = Table(  # how far an event is on its way to an endpoint
    "sending",
    metadata,
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    Column("event_id", String(40), primary_key=True),
    _bot(),
    Column("status", String(10), nullable=False, default="pending"),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False, default=0),  # made since it was last put on its way
    Column("next_at", Instant),  # of the next attempt, and the fence: who makes it moves this; NULL: none follows
    Index("sending_by_event", "event_id"),
    Index("sending_by_time", "next_at", "bot"),
)

attempt = Table(  # one request; what was answered is not kept
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("endpoint_id", Id, nullable=False),
    Column("event_id", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("status_code", Integer),  # NULL: no answer
    Column("error", String(200), nullable=False, default=""),
    Index("attempt_by_event", "event_id"),
)
