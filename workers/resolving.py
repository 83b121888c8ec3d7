"""The job that turns votes into labels, and what new labels say about older ones."""

from service.context import Context
from service.encoding import Encoder
from service.reviews import rules
from workers import contradictions, weighing


def resolve(context: Context, encoder: Encoder, bot: str) -> None:
    weighing.weigh(context, bot)
    rules.resolve_votes(context, bot)
    contradictions.compare(context, encoder, bot)
