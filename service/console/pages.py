"""The console: a module for each page, with a controller and what the page shows; its template bears its name."""

from service.console.access import AccessController
from service.console.audit import AuditController
from service.console.bots import BotsController
from service.console.boundary import BoundaryController
from service.console.charts import ChartsController
from service.console.drift import DriftController
from service.console.frame import STATIC, files
from service.console.overview import OverviewController
from service.console.review import ReviewController
from service.console.settings import SettingsController
from service.console.trace import TraceController

CONTROLLERS = (
    BotsController,
    OverviewController,
    ReviewController,
    DriftController,
    BoundaryController,
    TraceController,
    SettingsController,
    AccessController,
    AuditController,
    ChartsController,
    files(STATIC),
)
