"""The console: a module for each page, with a controller and what the page shows; its template bears its name."""

from litestar import Router
from litestar.exceptions import HTTPException

from service.console.access import AccessController
from service.console.audit import AuditController
from service.console.bots import BotsController
from service.console.boundary import BoundaryController
from service.console.charts import ChartsController
from service.console.classifiers import ClassifiersController
from service.console.dead_letters import DeadLettersController
from service.console.drift import DriftController
from service.console.frame import STATIC, files, refused
from service.console.intents import IntentsController
from service.console.labels import LabelsController
from service.console.overview import OverviewController
from service.console.review import ReviewController
from service.console.reviewers import ReviewersController
from service.console.settings import SettingsController
from service.console.sources import SourcesController
from service.console.trace import TraceController
from service.console.turns import TurnsController

PAGES = (
    BotsController,
    OverviewController,
    ReviewController,
    DriftController,
    BoundaryController,
    TurnsController,
    LabelsController,
    TraceController,
    IntentsController,
    ClassifiersController,
    ReviewersController,
    SourcesController,
    DeadLettersController,
    SettingsController,
    AccessController,
    AuditController,
)

# What the app says of HTTPException comes before what a controller says of Exception: it is said here anew.
CONTROLLERS = (
    Router("/", route_handlers=PAGES, exception_handlers={Exception: refused, HTTPException: refused}),
    ChartsController,
    files(STATIC),
)
