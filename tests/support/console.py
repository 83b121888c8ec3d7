"""Somebody in front of the console, with a browser that runs no scripts."""

import re
from typing import NamedTuple

import httpx
from litestar import Litestar
from litestar.testing import TestClient

from service import database
from service.access import sessions
from service.access.guard import COOKIE
from service.access.roles import Role
from service.clock import now
from service.context import Context


class Browser(NamedTuple):
    """Somebody signed in; forms are posted as the page's own origin."""

    client: TestClient[Litestar]
    context: Context
    cookie: str

    def open(self, path: str) -> str:
        response = self.client.get(path, headers={"cookie": self.cookie})
        assert response.status_code == 200, response.text
        return response.text

    def post(self, path: str, *, site: str = "same-origin", **fields: str) -> httpx.Response:
        headers = {"cookie": self.cookie, "sec-fetch-site": site}
        response = self.client.post(path, data=fields, headers=headers, follow_redirects=False)
        location = response.headers.get("location")
        return self.client.get(location, headers={"cookie": self.cookie}) if location else response

    def press(self, page: str, **button: str) -> str:
        """Send the page's first answers form with this button."""
        action = re.search(r'class="answers" method="post" action="([^"]+)"', page)
        click = re.search(r'name="click_id" value="([^"]+)"', page)
        assert action and click
        response = self.post(action[1], click_id=click[1], **button)
        assert response.status_code == 200 and response.url.path.endswith("/review")
        return response.text


def sign_in(client: TestClient[Litestar], context: Context, name: str, role: Role, bot: str | None) -> Browser:
    with database.writing(context.engine) as connection:
        token = sessions.create_sign_in(connection, name=name, role=role, bot=bot, now=now())
        return Browser(client, context, f"{COOKIE}={sessions.redeem(connection, token, '', now())}")
