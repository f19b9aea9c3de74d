"""`measure --contexts`: of a folder of pictures and of a table of labels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import open_panel
from equipoise.generators.toy import ToyGenerator
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid


def test_a_table_reproduces_published_counts(cli: Callable[..., Done], tmp_path: Path) -> None:
    """40 prompts x 250 pictures, in the shape of published label tables."""
    table, out = tmp_path / "labels.csv", tmp_path / "found.json"
    men = {f"a photo of job {c}": 3 * c if c % 2 else 250 - 3 * c for c in range(40)}
    rows = [
        f"{name},{'male' if i < count else 'female'}\n"
        for name, count in men.items()
        for i in range(250)
    ]
    table.write_text("context,gender\n" + "".join(rows))
    done = cli("measure", table, "--json", out)
    assert_valid(out, "contexts")
    found = json.loads(out.read_text())
    assert {one["name"]: one["counts"][1] for one in found["contexts"]} == men
    assert found["pooled"]["cells"][1]["count"] == sum(men.values())
    assert found["contexts"][0]["name"] == "a photo of job 0"
    assert "absent   gender=female in a photo of job 0: none of 250" in done.stdout
    assert "and 20 contexts more" in done.stdout
    assert "The pool hides bias" in done.stdout
    neutral = [f"--neutral=a photo of job {c}" for c in (19, 20)]
    done = cli("measure", table, *neutral, "--json", out)
    assert_valid(out, "contexts")
    found = json.loads(out.read_text())["diversity"]
    assert (found["neutral"], found["others"]) == (2, 38)
    assert found["index"]["value"] ** 2 == pytest.approx(
        found["intrinsic"]["value"] * found["robust"]["value"]
    )
    assert "MGBI     0." in done.stdout
    done = cli("measure", table, "--neutral=a doctor", code=2)
    assert "neutral must be a context that has an image, got" in done.error


def test_a_folder_of_sub_folders_is_measured(cli: Callable[..., Done], tmp_path: Path) -> None:
    toy = ToyGenerator()
    codes = toy.prior.codes(0, 0, 12)
    for i, image in enumerate(toy.images(codes)):
        place = tmp_path / "pictures" / f"prompt {i % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{i:02}.png")
    out = tmp_path / "found.json"
    flags = ("--attributes", "skin_tone", "--contexts", "--json", out)
    cli("measure", tmp_path / "pictures", *flags)
    found = json.loads(out.read_text())
    tones = open_panel(("skin_tone",)).predict(toy.images(codes)).cells
    for one in found["contexts"]:
        own = tones[int(one["name"][-1]) :: 2]
        assert one["counts"] == np.bincount(own[own >= 0], minlength=3).tolist()
    assert found["pooled"]["n"] == 12
    targets = tmp_path / "targets.csv"
    rows = "".join(f"prompt 1,skin_tone={level},1\n" for level in ("dark", "medium", "light"))
    targets.write_text("context,cell,share\n" + rows)
    flags = ("--attributes", "skin_tone", "--target", targets)
    cli("measure", tmp_path / "pictures", "--neutral=prompt 1", *flags[:2], code=2)
    done = cli("measure", tmp_path / "pictures", *flags, code=2)
    assert "target must be one for all images without --contexts" in done.error


def test_contexts_are_refused_where_there_are_none(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "sampler.safetensors").write_bytes(b"")
    done = cli("measure", tmp_path / "sampler.safetensors", "--contexts", code=2)
    assert "--contexts must not be given for a sampler" in done.stderr
