"""What a user must know of the rate limits of services on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from equipoise.cli.app import out_console
from equipoise.cli.console import print_caveats

if TYPE_CHECKING:
    from equipoise.core.progress import Engine


def print_rates(engine: Engine | None, models: Iterable[object]) -> None:
    """Name the services whose rate limit each machine of a cluster keeps for itself."""
    from equipoise.engines import RayActors

    if not isinstance(engine, RayActors) or engine.address is None:
        return
    from equipoise.audit.superres.models.http import HttpRestorer
    from equipoise.classifiers.remote import RemoteClassifier

    services = [model for model in models if isinstance(model, RemoteClassifier | HttpRestorer)]
    print_caveats(
        out_console,
        tuple(
            f"The rate of {one.name}, {one.limits.rate:g} requests a second, holds for each "
            "machine of the cluster: divide it by the machines in its description."
            for one in services
            if one.limits.rate
        ),
    )
