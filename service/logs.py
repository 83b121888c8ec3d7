"""Logs are events with fields, on standard error, a process's one JSON object a line; never user text, tokens or
secrets."""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def of_command() -> None:
    """For people to read: what a command prints on standard output is its result."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def configure(level: str, process: str) -> None:
    """Route structlog and the standard library's loggers (RQ, granian, Bolt) to the same lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # locals hold user text
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=renderer))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("rq.worker").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))  # talkative
    structlog.contextvars.bind_contextvars(process=process)
