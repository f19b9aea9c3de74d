"""face-api, gear and faceres over HTTP: gender, age and verification, on faithful draws.

python examples/third_parties.py runs/demo/sampler.safetensors --n 240 --out runs/third
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from face_descriptors import ORIGIN, face_api
from node_server import node_server

from equipoise import load_sampler, open_generator
from equipoise.audit.age.ages import ask_ages
from equipoise.audit.age.record import AgeAudit, AgeSettings
from equipoise.audit.age.run import audit_age
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages, draw_audit_images
from equipoise.audit.rate_tables import to_markdown
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.audit.verification.descriptors import Descriptors, read_descriptors
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.classifiers import open_classifier, open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.remote import RemoteClassifier, open_remote
from equipoise.cli.console import bars
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.core.files import write_text
from equipoise.core.numbers import decimals, estimate, percent
from equipoise.core.progress import Execution

SERVER = Path(__file__).parent / "face-api"
MODELS = ("face-api", "gear", "faceres")
FMR = 0.01
ASKED = 2
"""Images under way at once: the server has a worker for each core."""


def draw(file: Path, n: int, folder: Path) -> AuditImages:
    """Draw verified images with weights."""
    generator = open_generator("digiface-dcgan")
    sampler = load_sampler(file, generator)
    models = Models(generator, open_panel(sampler.grid.names, generator))
    with bars() as progress:
        execution = Execution(progress=progress)
        return draw_audit_images(
            sampler, models, n, 0, folder, faithful="exact", execution=execution
        )


def gender(model: RemoteClassifier, images: AuditImages, out: Path) -> ClassifierAudit:
    """Audit gender by all balanced attributes, against the pinned classifier."""
    reference = "pinned:gender"
    settings = AuditSettings(attribute="gender", by=images.grid.names, reference=reference)
    judge = open_classifier(reference)
    with bars() as progress:
        execution = Execution(progress=progress)
        return audit_classifier(
            model, images, out / "gender", settings, reference=judge, execution=execution
        )


def age(model: RemoteClassifier, images: AuditImages, out: Path) -> AgeAudit:
    """Audit age by all balanced attributes, against the pinned estimator."""
    reference = "pinned:age"
    with bars() as progress:
        execution = Execution(progress=progress)
        estimates, true = (
            ask_ages(one, images, out / "age" / "answers", role, execution=execution)
            for one, role in ((model, "model"), (open_classifier(reference), "reference"))
        )
    settings = AgeSettings(by=images.grid.names, reference=reference)
    return audit_age(estimates, true, images, out / "age", settings)


def describe(model: RemoteClassifier, images: AuditImages, file: Path) -> Descriptors | None:
    """Return the descriptors of all images: of kept answers, or asked for; None without any."""
    file.parent.mkdir(parents=True, exist_ok=True)

    def one(row: int) -> list[float] | None:
        image = images.images([row])[0]
        (face,) = model.kept_answer(image)["faces"]
        if model.name == "face-api":
            own: list[float] = face_api(image[None])[0].tolist()
            return own
        found: list[float] | None = face.get("descriptor")
        return found

    with ThreadPoolExecutor(ASKED) as pool:
        vectors = list(pool.map(one, range(len(images))))
    if any(vector is None for vector in vectors):
        return None
    np.savez(file, file_name=np.array(images.files), descriptor=np.array(vectors, np.float32))
    return read_descriptors(file, images)


def verification(found: Descriptors, images: AuditImages, out: Path) -> VerificationAudit:
    """Audit false matches by all balanced attributes."""
    settings = VerificationSettings(by=images.grid.names, fmr=FMR)
    return audit_verification(found, images, out / "verification", settings)


def main() -> None:
    """Draw, ask, audit, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sampler", type=Path, help="sampler file of digiface-dcgan")
    parser.add_argument("--n", type=int, default=240, help="images to ask about")
    parser.add_argument("--out", type=Path, default=Path("runs/third"), help="folder of everything")
    arguments = parser.parse_args()
    began, out = time.monotonic(), arguments.out
    images = draw(arguments.sampler, arguments.n, out / "material")
    tables: dict[str, tuple[Sequence[str], list[list[str]]]] = {}
    checks: dict[str, Sequence[Check]] = {}
    with node_server(SERVER) as origin:
        os.environ[ORIGIN] = origin
        for name in MODELS:
            model = open_remote(SERVER / f"{name}.toml", origin=origin, folder=out / "kept")
            home = out / name
            genders, ages = gender(model, images, home), age(model, images, home)
            checks |= {f"gender, {name}": genders.checks, f"age, {name}": ages.checks}
            add(
                tables,
                "gender",
                "wrong by pinned:gender",
                name,
                [
                    (group.name, estimate(group.error.estimate, percent))
                    for group in genders.breakdowns[0].groups
                ],
            )
            add(
                tables,
                "age, mean absolute error",
                "years from pinned:age",
                name,
                [(group.name, years(group.absolute)) for group in ages.breakdowns[0].groups],
            )
            add(
                tables,
                "age, mean error",
                "years from pinned:age",
                name,
                [(group.name, years(group.signed)) for group in ages.breakdowns[0].groups],
            )
            vectors = describe(model, images, home / "descriptors.npz")
            if vectors is not None:
                matches = verification(vectors, images, home)
                checks[f"verification, {name}"] = matches.checks
                add(
                    tables,
                    "verification",
                    f"false matches at {percent(FMR)} over all",
                    name,
                    [
                        (rate.name, estimate(rate.estimate, percent))
                        for rate in matches.tables[0].rates
                    ],
                )
    seconds = time.monotonic() - began
    write_text(out / "tables.md", report(tables, checks, len(images), seconds))
    print(f"{len(images)} images, {seconds:.0f} s: {out / 'tables.md'}")


def years(found: Estimate) -> str:
    """Return an estimate in years, with one decimal."""
    return estimate(found, lambda value: decimals(value, 1))


def add(
    tables: dict[str, tuple[Sequence[str], list[list[str]]]],
    title: str,
    what: str,
    model: str,
    cells: Sequence[tuple[str, str]],
) -> None:
    """Add a model's column to a table."""
    header, rows = tables.get(title, (["cell"], [[cell] for cell, _ in cells]))
    for row, (_, text) in zip(rows, cells, strict=True):
        row.append(text)
    tables[title] = ([*header, f"{model}: {what}"], rows)


def report(
    tables: dict[str, tuple[Sequence[str], list[list[str]]]],
    checks: dict[str, Sequence[Check]],
    n: int,
    seconds: float,
) -> str:
    """Return tables and issues as Markdown."""
    parts = [f"{n} `exact` draws, {seconds:.0f} s in all.\n"]
    parts += [f"**{title}**\n\n{to_markdown(*table)}" for title, table in tables.items()]
    issues = [
        [what, check.outcome, f"`{check.check_id}`", check.words]
        for what, found in checks.items()
        for check in found
        if check.outcome in ("issue", "undecided")
    ]
    parts.append(to_markdown(["audit", "outcome", "check", "answer"], issues))
    return "\n".join(parts)


if __name__ == "__main__":
    main()
