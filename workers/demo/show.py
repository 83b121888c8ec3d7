"""The demo as a person runs it: a fresh installation in the demo folder, the run, the table, and where to look."""

import base64
import hashlib
import signal
import threading
import webbrowser
from pathlib import Path
from typing import BinaryIO

import msgspec

from service import database
from service.access.controllers import sign_in_url
from service.access.sessions import create_sign_in
from service.clock import now
from service.context import opened
from service.intents.parsing import parse_jsonl
from service.intents.schemas import ParsedIntent
from service.settings import Settings
from service.turns.logs import NONE, read_log
from service.turns.parsing import Adapter
from workers.demo import run as demo
from workers.demo import stack
from workers.demo.result import table
from workers.progress import Progress

FOLDER = Path(__file__).parent
# The shipped log is public: its key may be too, and the demo can be repeated. Anybody's own log gets a key of its own.
SHIPPED_KEY = base64.b64encode(hashlib.sha256(b"the shipped log").digest()).decode()


def show(data: Path | None, parse: Adapter, *, keep: bool, json_file: BinaryIO | None) -> None:
    """Run it on the log in `data`, or on the shipped one; where the log has no truth, open the console instead."""
    progress = Progress()
    log = read(data)
    settings = stack.fresh_settings(SHIPPED_KEY if data is None else "")
    progress.say(f"starting Fencepost in {settings.folder}")
    with stack.running(settings):
        if not log.has_truth:
            _hand_over(settings, log, parse, progress)
            return
        result = demo.run(settings, log, parse, progress)
        progress.console.print(table(result, settings.base_url if keep else None))
        if json_file:
            json_file.write(msgspec.json.encode(result) + b"\n")
            json_file.flush()
        if keep:
            _keep(settings, progress)


def read(data: Path | None) -> demo.Log:
    """The log, with the intents it begins with: the shipped ones, or the names that the part to be posted uses."""
    if data is None:
        return demo.Log(list(read_log(FOLDER / "log.jsonl")), parse_jsonl((FOLDER / "intents.jsonl").read_bytes()))
    conversations = list(read_log(data))
    turns = [turn for found in conversations if not found.is_held_out for turn in found.user_turns]
    names = {turn.intent for turn in turns if turn.intent} or {best["name"] for turn in turns for best in turn.intents}
    return demo.Log(conversations, [ParsedIntent(name=name, where=data.name) for name in sorted(names - {NONE})])


def _hand_over(settings: Settings, log: demo.Log, parse: Adapter, progress: Progress) -> None:
    """A log without truth: post it, begin with the intents that its bot knows, and let a person be the reviewer."""
    with opened(settings) as context:
        demo.arrive(context, log, parse, progress)
        if log.intents:
            demo.begin(context, log, progress)
    progress.say("this log holds no labels: you are the reviewer")
    if not log.intents:
        here = f"FENCEPOST_DATA_DIR={settings.data_dir} FENCEPOST_PORT={settings.port}"
        progress.say(f"it names no intents either: {here} fencepost intents import {demo.BOT} FILE")
    _keep(settings, progress, browse=True)


def _keep(settings: Settings, progress: Progress, *, browse: bool = False) -> None:
    """Leave it running until Ctrl-C or SIGTERM."""
    with opened(settings) as context, database.writing(context.engine) as connection:
        url = sign_in_url(context, create_sign_in(connection, name="", role="operator", bot=None, now=now()))
    progress.say(f"sign in (once, within 15 minutes): {url}")
    progress.say("running until Ctrl-C")
    if browse:
        webbrowser.open(url)
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    stop.wait()
