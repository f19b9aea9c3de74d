"""Audits on the real generator: face-api behind HTTP, and four ways to restore images.

make audit-demo, or with flags: make audit-demo ARGS="--n 240 --superres-n 60"
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path

from face_descriptors import ORIGIN
from node_server import node_server
from restorations import write_restorations

from equipoise import Settings, balance, load_sampler, open_generator
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.counterfactuals.folder import keep_counterfactuals
from equipoise.audit.counterfactuals.search import CounterfactualSearch
from equipoise.audit.images import AuditImages, draw_audit_images
from equipoise.audit.record import AuditSettings
from equipoise.audit.superres.models import SuperResolutionModel, open_super_resolution_model
from equipoise.audit.superres.record import SuperresAudit, SuperresSettings
from equipoise.audit.superres.run import audit_superres
from equipoise.classifiers import open_classifier, open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.remote import RemoteClassifier, open_remote
from equipoise.cli.console import bars
from equipoise.core.errors import MissingProgramError
from equipoise.core.files import write_text
from equipoise.core.progress import Execution
from equipoise.methods.shift.hyperplanes import read_conditional
from equipoise.samplers.sampler import Sampler

FACE_API = Path(__file__).parent / "face-api"
ESRGAN = Path(__file__).parent / "esrgan"
DESCRIPTORS = "face_descriptors:face_api"
FACTOR = 4
FMR = 0.01
"""Pairs of different originals that pass for one person: it sets the threshold."""

BY = ("gender", "skin_tone")
GENERATOR = open_generator("digiface-dcgan")
PANEL = open_panel(BY)


def make_sampler(out: Path, labels: int) -> Sampler:
    """Balance gender x skin tone, or take what an earlier run made."""
    file = out / "balance" / "sampler.safetensors"
    if not file.is_file():
        with bars() as progress:
            balance(Settings(attributes=BY, n=labels), file.parent, progress)
    return load_sampler(file, GENERATOR)


def audit_gender(
    model: RemoteClassifier, sampler: Sampler, material: AuditImages, out: Path
) -> None:
    """Gender by gender x skin tone, with the same faces at every skin tone."""
    tone = sampler.grid.attributes[1]
    normals = read_conditional(out / "balance" / "directions.safetensors", tone)
    with bars() as progress:
        search = CounterfactualSearch(
            sampler=sampler,
            models=Models(GENERATOR, PANEL),
            attribute=tone.name,
            normals=normals,
            n=200,
        )
        execution = Execution(progress=progress)
        pairs = keep_counterfactuals(out / "gender" / "pairs", search, execution=execution)
        found = audit_classifier(
            model,
            material,
            out / "gender",
            AuditSettings(attribute="gender", by=BY, reference="label"),
            counterfactuals=pairs,
            execution=execution,
        )
    print(f"gender: {found.verdict}\n  {out / 'gender' / 'audit.html'}")


def audit_expression(model: RemoteClassifier, material: AuditImages, out: Path) -> None:
    """Expression by gender x skin tone, against the pinned classifier of expressions."""
    reference = "pinned:expression"
    with bars() as progress:
        found = audit_classifier(
            model,
            material,
            out / "expression",
            AuditSettings(attribute="expression", by=BY, reference=reference),
            reference=open_classifier(reference),
            execution=Execution(progress=progress),
        )
    print(f"expression: {found.verdict}\n  {out / 'expression' / 'audit.html'}")


def audit_restored(
    model: SuperResolutionModel, material: AuditImages, folder: Path, descriptors: str
) -> SuperresAudit:
    """Restore 16x16 to 64x64, and ask the panel, and whoever describes faces, again."""
    per_cell = -(-len(material) // material.grid.size)
    with bars() as progress:
        found = audit_superres(
            model,
            material,
            PANEL,
            folder,
            SuperresSettings(
                model=model.name,
                attributes=BY,
                per_cell=per_cell,
                descriptors=descriptors,
                fmr=FMR,
            ),
            execution=Execution(progress=progress),
        )
    print(f"super-resolution by {model.name}: {found.verdict}\n  {folder / 'superres.html'}")
    return found


def audit_super_resolution(sampler: Sampler, out: Path, n: int, descriptors: str) -> None:
    """Audit a search in the generator, mere enlargement and two networks, on the same images."""
    home = out / "superres"
    with bars() as progress:
        material = draw_audit_images(
            sampler,
            Models(GENERATOR, PANEL),
            n,
            1,
            home / "material",
            execution=Execution(progress=progress),
        )
    audits = {}

    def audit(name: str, model: SuperResolutionModel) -> None:
        audits[name] = audit_restored(model, material, home / name, descriptors)

    for name in ("bicubic", "pulse"):
        audit(name, open_super_resolution_model(name, FACTOR, GENERATOR))
    try:
        with node_server(ESRGAN) as origin:
            for name in ("esrgan-slim", "esrgan-thick"):
                described = (ESRGAN / f"{name}.toml").read_text(encoding="utf-8")
                file = home / f"{name}.toml"
                write_text(file, described.replace("http://127.0.0.1:8701", origin))
                audit(name, open_super_resolution_model(str(file), FACTOR))
    except MissingProgramError as error:
        print(f"esrgan: not applicable. {error}")
    write_restorations(home, audits, material, FACTOR)
    print(f"side by side: {home / 'tables.md'} and {home / 'restored.png'}")


def main() -> None:
    """Balance, draw, audit, and name the reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("runs/audit"), help="folder of everything")
    parser.add_argument("--labels", type=int, default=10_000, help="for the balance")
    parser.add_argument("--n", type=int, default=1200, help="images that face-api is asked about")
    parser.add_argument("--superres-n", type=int, default=240, help="other images, to restore")
    arguments = parser.parse_args()
    out: Path = arguments.out
    sampler = make_sampler(out, arguments.labels)
    with bars() as progress:
        material = draw_audit_images(
            sampler,
            Models(GENERATOR, PANEL),
            arguments.n,
            0,
            out / "material",
            execution=Execution(progress=progress),
        )
    with ExitStack() as servers:
        try:
            origin = servers.enter_context(node_server(FACE_API))
        except MissingProgramError as error:
            print(f"face-api: not applicable. {error}")
            audit_super_resolution(sampler, out, arguments.superres_n, "")
            return
        os.environ[ORIGIN] = origin
        model = open_remote(FACE_API / "face-api.toml", origin=origin)
        audit_gender(model, sampler, material, out)
        audit_expression(model, material, out)
        audit_super_resolution(sampler, out, arguments.superres_n, DESCRIPTORS)


if __name__ == "__main__":
    main()
