"""The console: a module for each page, with a controller and what the page shows; its template bears its name."""

from service.console.bots import BotsController
from service.console.boundary import BoundaryController
from service.console.charts import ChartsController
from service.console.drift import DriftController
from service.console.frame import STATIC, files
from service.console.labels import LabelsController
from service.console.overview import OverviewController
from service.console.review import ReviewController
from service.console.trace import TraceController
from service.console.turns import TurnsController

CONTROLLERS = (
    BotsController,
    OverviewController,
    ReviewController,
    DriftController,
    BoundaryController,
    TurnsController,
    LabelsController,
    TraceController,
    ChartsController,
    files(STATIC),
)
