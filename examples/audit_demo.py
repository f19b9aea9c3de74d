"""Both audits on the real generator: face-api behind HTTP, and a search in a generator.

make audit-demo
"""

from __future__ import annotations

from pathlib import Path

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.material import Material
from equipoise.audit.record import AuditSettings
from equipoise.classifiers.open import open_classifier
from equipoise.classifiers.remote import open_remote
from equipoise.classifiers.remote.node_server import node_server
from equipoise.cli.console import bars
from equipoise.errors import NotApplicable

FACE_API = Path(__file__).parent / "face-api"
BY = ("gender", "skin_tone")


def audit_face_api(material: Material, out: Path) -> None:
    """Ask face-api for gender and expression, over HTTP on this machine."""
    try:
        with node_server(FACE_API) as origin:
            model = open_remote(FACE_API / "face-api.toml", origin=origin)
            gender = AuditSettings("gender", BY, "label")
            expression = AuditSettings("expression", BY, "pinned:expression")
            with bars() as progress:
                found = audit_classifier(model, material, out / "gender", gender, progress=progress)
            print(f"gender      {found.verdict}\n            {out / 'gender' / 'audit.html'}")
            with bars() as progress:
                found = audit_classifier(
                    model,
                    material,
                    out / "expression",
                    expression,
                    reference=open_classifier("pinned:expression"),
                    progress=progress,
                )
            print(f"expression  {found.verdict}\n            {out / 'expression' / 'audit.html'}")
    except NotApplicable as error:
        print(f"face-api: not applicable: {error}")
