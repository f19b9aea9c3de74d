"""What a command will cost, told before it begins: generator calls by purpose."""

from __future__ import annotations

from dataclasses import replace

from equipoise.settings import Settings


def balance_cost(settings: Settings) -> dict[str, int]:
    """Return the calls of `balance`."""
    methods = {settings.method, *settings.beside}
    mixture = "mixture" in methods
    return {
        "label": settings.prior_n,
        "label in directed rounds": settings.directed_n,
        "calibrate": settings.calibrate_n * (("tilt" in methods) + mixture),
        "fit the mixture to": settings.mixture_n * mixture,
        "measure": settings.measure_n * len(methods),
    }


def compare_cost(settings: Settings, pool: int) -> dict[str, int]:
    """Return the calls of `compare`, whatever method the settings name."""
    from equipoise.compare.baselines import BASELINES
    from equipoise.compare.reference import MOST

    return {
        "label": settings.n,
        "label in directed rounds": replace(settings, method="tilt").directed_n,
        "calibrate two tilts": 2 * settings.calibrate_n,
        "label for the references": pool,
        "make references of, at most": MOST * settings.measure_n,
        "verify draws, at least": settings.measure_n,
        "measure": settings.measure_n * len(BASELINES),
    }
