"""The workspace with people in it."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping

from tests.support.slack import api, forms, named_files, people, views
from tests.support.slack.checks import Json, option_problems
from tests.support.slack.link import Link, envelope
from tests.support.slack.messages import find
from tests.support.slack.workspace import CHANNEL, Workspace

LINK_WAIT_S = 10.0


class Slack(Workspace):
    """People act by name: each method is what one does, and gives the payload that Slack sends for it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self.scopes = set(api.SCOPES)
        self.links: list[Link] = []
        self.acks: dict[str, Json] = {}
        self.ack_waits_s: list[float] = []  # from sending an envelope to its ack
        self._sent_at: dict[str, float] = {}
        self._changed = threading.Condition()

    def message(self, ts: str, channel: str = CHANNEL) -> Json:
        return find(self, ts, channel)

    def view(self, user: str) -> Json:
        """The view on top of the user's screen; IndexError without one."""
        return self.views[self.stacks[user][-1]]

    def process_files(self) -> None:
        """From now on blocks may name every file that was uploaded, as they may some seconds later by themselves."""
        with self.lock:
            named_files.processed(self)

    def buttons(self, surface: Json, within: str = "") -> list[str]:
        return people.buttons(surface, within)

    def click(self, user: str, surface: Json, button: str, *, within: str = "") -> Json:
        with self.lock:
            return people.click(self, user, surface, button, within)

    def choose(self, user: str, surface: Json, option: Json | str, *, within: str = "") -> Json:
        with self.lock:
            return people.choose(self, user, surface, option, within)

    def type_into(self, user: str, surface: Json, typed: str, *, within: str = "") -> Json:
        with self.lock:
            return people.type_into(self, user, surface, typed, within)

    def fill(self, user: str, values: Mapping[str, Json | str]) -> None:
        """Fields of the top view by block_id, action_id or label."""
        with self.lock:
            for name, value in values.items():
                forms.fill(self.view(user), name, value)

    def submit(self, user: str) -> Json:
        with self.lock:
            return people.submit(self, user)

    def close(self, user: str) -> Json | None:
        with self.lock:
            return people.close(self, user)

    def command(self, user: str, name: str, text: str = "", channel: str = CHANNEL) -> Json:
        return people.command(self, user, name, text, channel)

    def shortcut(self, user: str, message: Json, callback_id: str) -> Json:
        return people.shortcut(self, user, message, callback_id)

    def open_home(self, user: str) -> Json:
        return people.open_home(self, user)

    def say(self, user: str, text: str, *, app: str = "") -> Json:
        return people.say(self, user, text, app)

    def answered(self, payload: Json, answer: Json) -> dict[str, str]:
        """What Slack does with the app's answer to a submission; the errors that the user then sees at the fields."""
        with self.lock:
            return views.answered(self, payload["user"]["id"], payload["view"]["id"], answer)

    def send(self, payload: Json, timeout: float = 10.0) -> Json:
        """Over Socket Mode; the ack's payload. TimeoutError without one: the user sees an error."""
        envelope_id = uuid.uuid4().hex
        link = self._link()
        self._sent_at[envelope_id] = time.perf_counter()
        link.send(envelope(people.copied(payload), envelope_id))
        with self._changed:
            if not self._changed.wait_for(lambda: envelope_id in self.acks, timeout):
                raise TimeoutError("no ack")
        answer = self.acks[envelope_id]
        if payload.get("type") == "view_submission":
            self.answered(payload, answer)
        return answer

    def acked(self, envelope_id: str, answer: Json, at: float) -> None:
        with self._changed:
            self.acks[envelope_id] = answer
            self.ack_waits_s.append(at - self._sent_at[envelope_id])
            self._changed.notify_all()

    def attach(self, link: Link) -> None:
        with self._changed:
            for old in (one for one in self.links if one.is_leaving):
                old.drop()
            self.links.append(link)
            self._changed.notify_all()

    def detach(self, link: Link) -> None:
        with self._changed:
            self.links.remove(link)

    def disconnect(self) -> None:
        """Ask the app to connect anew, and wait until it has."""
        self._link().disconnect()
        self.injected["disconnect"] += 1
        self._link()

    def drop(self) -> None:
        """Cut the link without a word: the app's client takes its time to see it."""
        self._link().drop()

    def _link(self) -> Link:
        """The newest that Slack has not asked to leave."""
        with self._changed:
            staying = self._changed.wait_for(lambda: [one for one in self.links if not one.is_leaving], LINK_WAIT_S)
            if not staying:
                raise TimeoutError("the app is not connected")
            return staying[-1]


def options_of(answer: Json) -> list[Json]:
    """The options of an answer to `type_into`, once they passed Slack's checks."""
    assert option_problems(answer["options"]) == []
    found: list[Json] = answer["options"]
    return found
