"""The composition root: the `fencepost` script, and the factory that granian calls."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar import Litestar


def main() -> None:
    """The command line."""
    from service.cli import cli

    cli(prog_name="fencepost")


def app() -> "Litestar":
    """The HTTP edge: `granian --interface asgi --factory service.__main__:app`."""
    from integrations.webhooks import native, signatures
    from service import logs
    from service.app import create_app
    from service.parent import die_with_parent
    from service.settings import Settings

    die_with_parent()  # a killed granian leaves its worker alive, holding the port
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level, "api")
    return create_app(settings, sources={"native": native.parse}, schemes=signatures.SCHEMES)


if __name__ == "__main__":
    main()
