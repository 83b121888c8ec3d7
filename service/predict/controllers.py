"""Predictions over HTTP."""

from litestar import post
from litestar.di import NamedDependency

from service.access.guard import requires
from service.bots.controllers import BotName
from service.predict import rules
from service.predict.rules import Predictors
from service.predict.schemas import Answer, Question


# A bot's platform holds an `ingest` key, which reads nothing: what the champion makes of the caller's own text is no
# reading of the log.
@post(
    "/v1/bots/{bot:str}/predict",
    operation_id="Predict",
    guards=[requires("ingest", "reader")],
    tags=["predict"],
    status_code=200,
)
async def predict(bot: BotName, data: Question, predictors: NamedDependency[Predictors]) -> Answer:
    """What the champion makes of texts, redacted first and not kept: intents, whether any is meant, entities."""
    rules.check(data)
    return await predictors.predict(bot, data)


CONTROLLERS = (predict,)
