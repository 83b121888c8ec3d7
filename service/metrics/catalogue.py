"""Every metric of `/metrics`, and what it means.

A counter is what no deletion takes back: turns stay counted when they are forgotten, votes and labels are only ever
added. All else may fall, and is a gauge. Labels are bounded: a bot's name and words of ours, never an intent, a source,
a person or a text."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from service.events.schemas import SendingStatus
from service.reviews.assessments import MarkKind
from service.reviews.schemas import CardStatus, Purpose, Use
from service.windows.words import SUBJECTS

# What each label may say, but for `bot` and `version`.
VALUES: Mapping[str, tuple[str, ...]] = {
    "kind": get_args(MarkKind),
    "origin": ("filed", "inferred"),
    "outcome": get_args(SendingStatus),
    "part": ("redis",),
    "purpose": get_args(Purpose),
    "quantile": ("0.5", "0.95"),
    "state": ("enabled", "failing", "disabled"),
    "statistic": (*SUBJECTS, "intent", "structure"),
    "status": get_args(CardStatus),
    "use": get_args(Use),
    "who": ("bot", "champion"),
}


class Metric(NamedTuple):
    """`labels`: names; `bot` stands first."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["counter", "gauge"]:
        return "counter" if self.name.endswith("_total") else "gauge"

    @property
    def is_of_bots(self) -> bool:
        return self.labels[:1] == ("bot",)


def _of_bot(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"fencepost_{name}", meaning, ("bot", *labels))


INFO = Metric("fencepost_build_info", "1, with the version", ("version",))
UP = Metric("fencepost_up", "whether Redis (part `redis`) answers; without it what it knows is left out", ("part",))
SCRAPE = Metric("fencepost_scrape_seconds", "what gathering these numbers took")
ENCODER_UP = _of_bot("encoder_up", "whether the encode process answers with the bot's encoder")

BOUND = Metric("fencepost_stream_bound_entries", "entries of a bot's stream from which on webhooks answer 503")
STREAM = _of_bot("stream_entries", "accepted and not yet in SQL")
LAG = _of_bot("ingest_lag_seconds", "age of the oldest of these; 0 when there is none")
DEAD = _of_bot("dead_letters", "entries that failed five times on their own")

QUEUED = Metric("fencepost_jobs_queued", "jobs that wait for a worker")
OLDEST_JOB = Metric("fencepost_jobs_oldest_seconds", "age of the job that has waited longest; 0 when there is none")
RUNNING = Metric("fencepost_jobs_running", "jobs that run")
FAILED = Metric("fencepost_jobs_failed", "jobs that failed for good within a day")
WORKERS = Metric("fencepost_jobs_workers", "processes that run jobs")

TURNS = _of_bot("turns_total", "turns of people that came in")
FALLBACKS = _of_bot("fallbacks_total", "of these, those that the bot had no answer to")
NEWEST_TURN = _of_bot("newest_turn_timestamp_seconds", "when the newest turn was said")
REPORTS = _of_bot("reports_total", "reports that people filed, or that what was said next gave away", "origin")
MARKS = _of_bot("marks", "turns that bear a mark, by its kind", "kind")

CANDIDATES = _of_bot("candidates", "marked turns that wait to be ranked")
CARDS = _of_bot("cards", "cards by what they were made for and what became of them", "purpose", "status")
VOTES = _of_bot("votes_total", "reviewers' answers, corrections and undone ones too")
LABELS = _of_bot("labels_total", "labels written, imported and folded ones and corrections too, by their use", "use")
LATENCY = _of_bot(
    "label_latency_seconds", "from a card to its label, of the newest 1,000 that votes made in seven days", "quantile"
)
GRANTED = _of_bot("budget_granted_votes", "the week's budget")
GIVEN = _of_bot("budget_given_votes", "of it, votes given in seven days")
ASKED = _of_bot("budget_asked_votes", "votes that open cards still want")

CLASSIFIER = _of_bot("classifier_number", "the classifier in force; absent before the first")
RIGHT = _of_bot("accuracy_ratio", "share of 28 days' turns answered right, estimated on the audit slice", "who")
RIGHT_LOW = _of_bot("accuracy_low_ratio", "lower end of its 95 % interval", "who")
RIGHT_HIGH = _of_bot("accuracy_high_ratio", "upper end of its 95 % interval", "who")
RIGHT_TURNS = _of_bot("accuracy_turns", "turns of the audit slice that tell it", "who")
CHANGE = _of_bot("accuracy_change_ratio", "accuracy minus that of the 28 days before, where both are known", "who")
CHANGE_LOW = _of_bot("accuracy_change_low_ratio", "lower end of its 95 % interval", "who")
CHANGE_HIGH = _of_bot("accuracy_change_high_ratio", "upper end of its 95 % interval", "who")

ALERT = _of_bot("drift_alert_open", "whether the bot has an open alert")
WINDOW = _of_bot("drift_window_timestamp_seconds", "end of the newest day that drift was measured of")
EFFECT = _of_bot("drift_effect", "a statistic of that window minus what chance alone makes of it", "statistic")
P = _of_bot("drift_p", "chance's probability of it after Holm's correction; of many, the smallest", "statistic")
ALARMS = _of_bot("drift_alarms", "alarms in that window: of intents and structures there may be several", "statistic")

ENDPOINTS = _of_bot("endpoints", "URLs that are told what happens: enabled, failing or disabled", "state")
SENDINGS = _of_bot("sendings", "events of 30 days on their way to an endpoint, delivered or given up", "outcome")
ATTEMPTS = _of_bot("sending_attempts", "requests made for these", "outcome")

CATALOGUE: tuple[Metric, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Metric))


def markdown_lines() -> list[str]:
    """The tables of charts/fencepost/METRICS.md: metrics, and the values of their labels."""
    metrics = (f"| `{one.name}` | {one.kind} | {_quoted(one.labels)} | {one.meaning} |" for one in CATALOGUE)
    values = (f"| `{label}` | {_quoted(VALUES[label])} |" for label in VALUES)
    return [
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
        *metrics,
        "",
        "| label | values |",
        "|---|---|",
        *values,
    ]


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
