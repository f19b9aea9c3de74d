from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from equipoise.balance import balance
from equipoise.errors import InputError
from equipoise.sampler import load_sampler
from equipoise.settings import Settings

TOY = Settings(generator="toy", method="shift", distance=1.5, components=1)


def replaced(**changes: object) -> Settings:
    return Settings(**{**vars(TOY), **changes})


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_recipe_meets_a_uniform_target_on_the_linear_toy(
    seed: int, tmp_path: Path
) -> None:
    done = balance(Settings(generator="toy", method="shift", seed=seed), tmp_path)
    prior, achieved = done.figures.prior, done.figures.results[0].representation
    assert prior.kl > 0.4
    assert achieved.kl < 5 * achieved.kl_floor
    counts = [share.count for share in achieved.cells]
    assert chisquare(counts).pvalue > 1e-3
    levels = [level for attribute in achieved.attributes for level in attribute]
    assert sum(level.low <= level.target <= level.high for level in levels) >= len(levels) - 1


def test_zeros_and_marginals_are_met(tmp_path: Path) -> None:
    target = "marginals: smiling=yes:3,no:1; skin_tone=dark:0,medium:1,light:1"
    done = balance(replaced(target=target), tmp_path)
    achieved = done.figures.results[0].representation
    shares = {share.name: share for share in achieved.cells}
    for name, share in shares.items():
        if share.target:
            assert share.share == pytest.approx(share.target, abs=0.03), name
        else:
            assert share.share < 0.01
    sampler = load_sampler(tmp_path / "sampler.safetensors")
    with pytest.raises(InputError, match="positive share"):
        sampler.draw(1, cell="smiling=yes, skin_tone=dark")


def test_a_stopped_run_goes_on_and_ends_alike(tmp_path: Path) -> None:
    settings = replaced(n=3000, measure_n=500)
    whole = balance(settings, tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop_at_measure(stage: str, done: int, total: int) -> None:
        if stage == "measure":
            raise Stopped

    with pytest.raises(Stopped):
        balance(settings, tmp_path / "broken", stop_at_measure)
    resumed = balance(settings, tmp_path / "broken")
    assert resumed.figures.cost.labels_computed == 0
    assert resumed.sampler.digest == whole.sampler.digest
    for name in ("labels/labels-00000.parquet", "sampler.safetensors", "pictures/shift.png"):
        one, other = ((tmp_path / run / name).read_bytes() for run in ("whole", "broken"))
        assert one == other, name


def test_a_second_run_in_a_folder_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    balance(replaced(n=3000, measure_n=500), tmp_path)
    assert (tmp_path / "pictures" / "shift-cell-0.png").exists()
    target = "marginals: smiling=yes:1,no:0"
    balance(replaced(n=3000, measure_n=500, target=target), tmp_path)
    assert not (tmp_path / "pictures" / "shift-cell-0.png").exists()
    assert (tmp_path / "pictures" / "shift-cell-3.png").exists()


def test_a_bad_target_fails_before_anything_is_labelled(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got hat"):
        balance(replaced(target="marginals: hat=yes:1"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_real_generator_end_to_end(tmp_path: Path) -> None:
    """Smiling x skin tone on the DCGAN: the prior is as published, and the recipe evens it out."""
    settings = Settings(n=6000, measure_n=1200, method="shift", components=1)
    done = balance(settings, tmp_path)
    prior = [share.share for share in done.figures.prior.cells]
    assert np.abs(np.array(prior) - [0.70, 0.067, 0.043, 0.166, 0.014, 0.007]).max() < 0.02
    achieved = done.figures.results[0].representation
    assert achieved.kl < 0.2 * done.figures.prior.kl
    assert min(share.share for share in achieved.cells) > 0.05
    html = (tmp_path / "report.html").read_text()
    for said in ("KL to the target", "confounded with lighting", "MIT", "arXiv 2012.04842"):
        assert said in html
    assert "http" not in html.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("https://matplotlib.org", "").replace("http://creativecommons.org", "")
