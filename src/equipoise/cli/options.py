"""Options of the command line, each with its help; the defaults are those of `Settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option(help="Settings file (TOML); flags override it.", show_default=False)
]
GeneratorName = Annotated[
    str | None,
    typer.Option(
        "--generator",
        help="digiface-dcgan, toy, stylegan2:FILE, stylegan3:FILE, torchscript:FILE, "
        "FILE.onnx, diffusers:FOLDER, or module:object. [digiface-dcgan]",
    ),
]
Attributes = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: gender, age, smiling, expression, skin_tone, "
        "skin_tone_six. [smiling,skin_tone]"
    ),
]
Classifiers = Annotated[
    list[str] | None,
    typer.Option(
        "--classifier",
        help="Your own, asked before the pinned ones: a .toml file, hf:FOLDER, clip:..., "
        "module:object; may be repeated (docs/classifiers.md).",
    ),
]
TargetText = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="'uniform', a .csv or .json table, "
        "'marginals: smiling=yes:3,no:1', or 'conditional: gender | age'. [uniform]",
    ),
]
Count = Annotated[int | None, typer.Option("--n", help="Codes to label. [10000]")]
Seed = Annotated[int | None, typer.Option(help="Names every draw of the run. [0]")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps. [cpu]")]
BatchSize = Annotated[int | None, typer.Option(help="Codes in one call.")]
Workers = Annotated[int | None, typer.Option(help="Threads. [all cores]")]
AbstainBelow = Annotated[
    float | None, typer.Option(help="Answers less sure than this count as unknown. [0]")
]
MixtureCount = Annotated[
    int | None, typer.Option("--mixture-n", help="Mixture: verified draws to fit to. [6000]")
]
Distance = Annotated[
    float | None,
    typer.Option(help="Shift: outer levels from their boundary, in deviations of the prior. [3.0]"),
]
KeepNorm = Annotated[
    bool | None, typer.Option("--keep-norm/--free-norm", help="Shift: keep each code's norm.")
]
PerCell = Annotated[int | None, typer.Option(help="Shift: codes for each cell. [5000]")]
Components = Annotated[str | None, typer.Option(help="Mixture: a number, or bic. [bic]")]
Fraction = Annotated[
    float | None,
    typer.Option(help="Directions: share of most confident codes. [best held-out accuracy]"),
]
Multilevel = Annotated[
    str | None, typer.Option(help="Directions: ordered or one-vs-rest. [ordered]")
]
Method = Annotated[
    str | None,
    typer.Option(help="tilt (ours), mixture (of tilted draws) or shift (arXiv 2012.04842)."),
]
Beside = Annotated[str | None, typer.Option(help="Further methods to set beside it in the report.")]
Directed = Annotated[
    float | None,
    typer.Option(help="Tilt: share of the labels directed at cells that lack them. [0.5]"),
]
Beta = Annotated[float | None, typer.Option(help="Tilt: sharpness. [chosen on held-out codes]")]
CalibrateCount = Annotated[
    int | None, typer.Option("--calibrate-n", help="Tilt: draws that calibrate. [8000]")
]
MeasureCount = Annotated[
    int | None, typer.Option("--measure-n", help="Draws by which the result is measured. [6000]")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print settings and expected cost, then stop.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file (docs/record.md).")
]
