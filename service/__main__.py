"""The composition root: the `fencepost` script, and the factory that granian calls."""

import gc
import os
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.handlers import HTTPRouteHandler

    from service.settings import Settings


def main() -> None:
    """The command line."""
    from service.cli import cli

    cli(prog_name="fencepost")


def app() -> "Litestar":
    """The HTTP edge: `granian --interface asgi --factory service.__main__:app`."""
    from integrations.formats.exporters import EXPORTERS
    from integrations.slack.preview import pages as preview
    from integrations.webhooks import PLATFORMS, signatures
    from service import logs
    from service.app import create_app
    from service.console.figures import warm_up
    from service.parent import die_with_parent
    from service.settings import Settings

    die_with_parent()  # a killed granian leaves its worker alive, holding the port
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level, "api")
    Thread(target=warm_up, name="charts", daemon=True).start()
    mounts = (*preview.MOUNTS, *slack_mounts(settings))
    made = create_app(settings, sources=PLATFORMS, schemes=signatures.SCHEMES, exporters=EXPORTERS, mounts=mounts)
    gc.collect()
    gc.freeze()  # what is here stays: to look for garbage in it would stop every request for 120 ms, now and then
    return made


def slack_mounts(settings: "Settings") -> "tuple[HTTPRouteHandler, ...]":
    """The events URL, where it is set up: Bolt is loaded for nobody else."""
    if not settings.slack_signing_secret:
        return ()
    from integrations.slack import http

    return http.mounts(settings)


if __name__ == "__main__":
    main()
