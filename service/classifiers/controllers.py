"""Classifiers over HTTP."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.classifiers import operations
from service.classifiers.accuracy import Accuracy, accuracy
from service.classifiers.advice import Advice, advise
from service.classifiers.flips import Flips, flips
from service.classifiers.history import Moment, history
from service.classifiers.influence import Influence, influence
from service.classifiers.metrics import Metrics, metrics
from service.classifiers.operations import Adapting, Word
from service.classifiers.schemas import Reasoned, Replacing, Version
from service.clock import now
from service.context import Context
from service.database import reading
from service.page import Page

IntentName = Annotated[str, Parameter(description="the intent's name")]
Number = Annotated[int, Parameter(le=2**31 - 1, description="the classifier's number")]


class ClassifiersController(Controller):
    path, tags = "/v1/bots/{bot:str}/classifiers", ("classifiers",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_classifiers(self, context: Context, bot: BotName) -> Page[Version]:
        """Newest first, each with its manifest and how its gate stands."""
        with reading(context.engine) as connection:
            return Page(operations.versions(connection, bot))

    @post("/adapt", guards=[requires("owner")], status_code=202, sync_to_thread=True)
    def adapt(self, context: Context, principal: Principal, bot: BotName) -> Adapting:
        """Have the bot's encoder tuned on its labels. Takes minutes; what comes of it is a challenger, tried like any
        other."""
        return operations.ask_to_adapt(context, bot, now(), who=principal.name)

    @get("/{n:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_classifier(self, context: Context, bot: BotName, n: Number) -> Version:
        """The manifest: what the classifier was trained on."""
        with reading(context.engine) as connection:
            return operations.version(connection, bot, n)

    @get("/{n:int}/metrics", guards=[requires("reader")], sync_to_thread=True)
    def show_metrics(self, context: Context, bot: BotName, n: Number) -> Metrics:
        """How good the classifier is, in all and by intent, and whether it is right as often as it says."""
        with reading(context.engine) as connection:
            return metrics(connection, bot, n)

    @get("/{n:int}/flips", guards=[requires("reader")], sync_to_thread=True)
    def show_flips(self, context: Context, bot: BotName, n: Number) -> Flips:
        """Turns on which it and the champion it was tried against differed, once they are answered."""
        with reading(context.engine) as connection:
            operations.version(connection, bot, n)
            return flips(connection, bot, n)

    @get("/{n:int}/history", guards=[requires("reader")], sync_to_thread=True)
    def show_history(self, context: Context, bot: BotName, n: Number) -> Page[Moment]:
        """What became of the classifier and by whose word, oldest first."""
        with reading(context.engine) as connection:
            return Page(list(history(connection, bot, operations.version(connection, bot, n))))

    @get("/{n:int}/influence", guards=[requires("reader")], sync_to_thread=True)
    def show_influence(self, context: Context, bot: BotName, n: Number, intent: IntentName) -> Influence:
        """The labels that an intent's recall hangs on most. Takes some seconds with 15,000 labels."""
        return influence(context.engine, bot, n, intent)

    @post("/{n:int}/rollback", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def roll_back(self, context: Context, principal: Principal, bot: BotName, n: Number, data: Replacing) -> Version:
        """Put a classifier that was in force before back in force."""
        return operations.roll_back(context, bot, n, now(), Word(principal.name, data.reason, data.replacing))

    @post("/{n:int}/promote", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def promote(self, context: Context, principal: Principal, bot: BotName, n: Number, data: Replacing) -> Version:
        """Put a challenger in force that its gate held."""
        return operations.promote(context, bot, n, now(), Word(principal.name, data.reason, data.replacing))

    @post("/{n:int}/hold", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def hold(self, context: Context, principal: Principal, bot: BotName, n: Number, data: Reasoned) -> Version:
        """End a challenger's trial, as one that it lost; its cards are withdrawn."""
        return operations.hold(context, bot, n, now(), Word(principal.name, data.reason))


@get("/v1/bots/{bot:str}/advice", guards=[requires("reader")], tags=["classifiers"], sync_to_thread=True)
def show_advice(context: Context, bot: BotName) -> Advice:
    """Whether labelling still pays, and what that rests on."""
    with reading(context.engine) as connection:
        return advise(connection, bot, now())


@get("/v1/bots/{bot:str}/accuracy", guards=[requires("reader")], tags=["classifiers"], sync_to_thread=True)
def show_accuracy(context: Context, bot: BotName) -> Accuracy:
    """The bot's own answers and the champion's, graded on the audit slice: by weeks, and around new bot versions."""
    with reading(context.engine) as connection:
        return accuracy(connection, bot)


CONTROLLERS = (ClassifiersController, show_advice, show_accuracy)
