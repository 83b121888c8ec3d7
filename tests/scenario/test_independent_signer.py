"""Deliveries that an independent client of Standard Webhooks signs, over HTTP to the API as it runs."""

from datetime import UTC, datetime, timedelta

import httpx
from svix.webhooks import Webhook

from service.bots.store import add_secret
from service.clock import now
from service.database import writing
from tests.support.edge import BOT, WEBHOOK, Edge, encode, turn
from tests.support.server import serving

GRACE = timedelta(hours=1)


def rotated(edge: Edge, grace: timedelta) -> str:
    """A new secret of the source; the earlier ones are valid for `grace`."""
    with writing(edge.context.engine) as connection:
        return add_secret(connection, edge.context.keyring, BOT, "native", now(), grace=grace)


def signed(own_id: str, body: bytes, *secrets: str, ago: timedelta = timedelta(0)) -> dict[str, str]:
    """As a sender does that is rotating its secret: a signature by each."""
    at = datetime.now(UTC) - ago
    signatures = " ".join(Webhook(secret).sign(own_id, at, body.decode()) for secret in secrets)
    seconds = str(int(at.timestamp()))
    return {"webhook-id": own_id, "webhook-timestamp": seconds, "webhook-signature": signatures}


def test_deliveries_signed_by_svix_are_taken_and_stale_ones_are_not(edge: Edge) -> None:
    first, second = edge.secret, rotated(edge, GRACE)
    stranger = "whsec_" + "A" * 43 + "="
    with serving(edge.context.settings) as url, httpx.Client(base_url=url) as client:

        def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
            answer = client.post(WEBHOOK, content=body, headers=headers | {"content-type": "application/json"})
            return answer.status_code, answer.json().get("type", "")

        def delivered(own_id: str, *secrets: str, ago: timedelta = timedelta(0)) -> tuple[int, str]:
            body = encode(turn(turn_id=own_id, text="où est ma carte 🙈"))
            return post(body, signed(own_id, body, *secrets, ago=ago))

        assert delivered("old", first) == delivered("new", second) == delivered("both", stranger, second) == (202, "")
        assert delivered("new", second) == (202, "")  # a retry
        assert delivered("other", stranger) == (401, "bad-signature")
        assert delivered("stale", second, ago=timedelta(minutes=6)) == (401, "bad-signature")
        assert delivered("early", second, ago=timedelta(minutes=-6)) == (401, "bad-signature")
        body = encode(turn(turn_id="changed"))
        assert post(body + b" ", signed("changed", body, second)) == (401, "bad-signature")
        third = rotated(edge, timedelta(0))
        assert [delivered("after", secret)[0] for secret in (first, second, third)] == [401, 401, 202]
    assert [fact.external_id for fact in edge.facts()] == ["old", "new", "both", "after"]
