"""Scores of some pairs: rates are those of all pairs, within what sampling allows."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from equipoise.audit.answer_rows import name_of
from equipoise.audit.blind_set import write_blind_set
from equipoise.audit.images import AuditImages, read_audit_images
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.rates import (
    Faces,
    compared_pairs,
    false_matches_between,
    false_matches_within,
    overall,
    threshold_of,
)
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.audit.verification.scores import PairScores, choose_pairs, read_scores
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.records import read_record
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from equipoise.stats.pairs import dependence_of, pair_rate
from tests.builders.command_line import Done

SETTINGS = VerificationSettings(by=("smiling", "skin_tone"), fmr=0.02)


def write(path: Path, rows: list[tuple[str, str, object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file_name_a", "file_name_b", "score"), *rows])
    return path


def test_scores_of_all_pairs_have_the_rates_of_descriptors(
    material: AuditImages, tmp_path: Path
) -> None:
    images = material.take(range(0, 240, 2))
    vectors = np.random.default_rng(0).normal(size=(len(images), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    first, second = np.triu_indices(len(images), 1)
    rows = [
        (images.files[b], images.files[a], repr(float(cosines[a, b])))
        for a, b in zip(first, second, strict=True)
    ]
    scores = read_scores(write(tmp_path / "pairs.csv", rows), images)
    found = [
        audit_verification(given, images, tmp_path / name, SETTINGS)
        for name, given in (("v", Descriptors("mine", "", vectors)), ("s", scores))
    ]
    for one, other in zip(*(audit.tables for audit in found), strict=True):
        assert [r.count for r in one.rates] == [r.count for r in other.rates]
        assert [r.low for r in one.rates] == pytest.approx([r.low for r in other.rates])
    assert "name their image by a number" in " ".join(found[1].caveats)
    assert found[0].threshold == pytest.approx(found[1].threshold)
    assert "Each pair stands for all pairs of its two cells" in " ".join(found[1].caveats)


def some_scores(similarity: NDArray[np.float32]) -> PairScores:
    """Return scores of some pairs of distinct images."""
    every = np.ones(len(similarity), bool)
    kept = int(np.isfinite(similarity).sum()) // 2
    return PairScores("some", "", similarity, every, kept, 0, every)


def test_intervals_of_some_pairs_cover_where_faces_differ(material: AuditImages) -> None:
    """A score is the sum of what both faces bring and of their own; a cell matches more often."""
    images, cells = material, material.cells
    apart = np.where(np.arange(6) == 2, 0.5, 0.0)
    limit, spread = 2.2, np.sqrt(1 + 2 * 0.25)
    truth = {
        (k, m): norm.sf((limit - apart[k] - apart[m]) / spread)
        for k in range(6)
        for m in range(k, 6)
    }
    inside, naive, whole, every = [], [], [], 0.0
    for k, m in truth:
        every += truth[k, m] * (40 * 39 / 2 if k == m else 1600) / (240 * 239 / 2)
    names = tuple(map(str, range(6)))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own = rng.normal(0, 0.5, 240) + apart[cells]
        noise = rng.normal(size=(240, 240))
        full = own[:, None] + own[None] + (np.triu(noise, 1) + np.triu(noise, 1).T)
        asked = np.full((240, 240), np.nan, np.float32)
        for a, b in choose_pairs(images, 21 * 250, seed):
            asked[a, b] = asked[b, a] = full[a, b]
        scores = some_scores(asked)
        faces = Faces(names, cells, asked, np.ones(240), scores.stands_for(cells))
        together = overall(faces, limit)
        whole.append(together.low <= every <= together.high)
        dependence = dependence_of(together, 240, compared_pairs(faces))
        rates = [
            *false_matches_within(faces, limit, dependence),
            *false_matches_between(faces, limit, dependence),
        ]
        kinds = [(k, k) for k in range(6)] + [(k, m) for k in range(6) for m in range(k + 1, 6)]
        for rate, kind in zip(rates, kinds, strict=True):
            assert rate.n == 250
            inside.append(rate.low <= truth[kind] <= rate.high)
            wrong = binomtest(rate.count, rate.n).proportion_ci()
            naive.append(wrong.low <= truth[kind] <= wrong.high)
    assert 0.92 <= np.mean(inside) <= 0.99, np.mean(inside)
    assert np.mean(naive) < np.mean(inside) - 0.02
    assert np.mean(whole) >= 0.9


def test_pairs_that_weigh_more_are_worth_fewer() -> None:
    """Without a match, and with weights, some pairs say less than all of them do."""
    rng = np.random.default_rng(0)
    weights = rng.lognormal(0, 1, 240)
    none = np.zeros((240, 240), bool)
    some = np.triu(rng.random((240, 240)) < 0.1, 1)
    sampled = pair_rate("some", none, weights, stands_for=10.0 * (some | some.T), dependence=0.0)
    every = pair_rate("all", none, weights, dependence=0.0)
    assert sampled.high > every.high


def test_cells_of_unequal_size_make_no_dependence_of_faces() -> None:
    """Scores are independent; pairs of a large cell stand for many more than those of a small."""
    cells = np.repeat([0, 1], [400, 20])
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        asked = np.full((420, 420), np.nan, np.float32)
        for k, m in ((0, 0), (0, 1), (1, 1)):
            first, second = np.nonzero(np.triu(np.outer(cells == k, cells == m), 1))
            chosen = rng.choice(len(first), 190, replace=False)
            scores = rng.normal(size=190)
            asked[first[chosen], second[chosen]] = asked[second[chosen], first[chosen]] = scores
        given = some_scores(asked)
        faces = Faces(("large", "small"), cells, asked, np.ones(420), given.stands_for(cells))
        together = overall(faces, 1.3)
        found.append(dependence_of(together, 420, compared_pairs(faces)))
    assert np.mean(found) < 2


def test_equal_scores_below_a_limit_make_no_threshold(material: AuditImages) -> None:
    rng = np.random.default_rng(0)
    asked = np.full((240, 240), np.nan, np.float32)
    pairs = choose_pairs(material, 21 * 200, 0)
    scores = np.where(rng.random(len(pairs)) < 0.98, 0.0, rng.random(len(pairs)))
    for (a, b), score in zip(pairs, scores, strict=True):
        asked[a, b] = asked[b, a] = score
    given = some_scores(asked)
    faces = Faces(
        ("all",), np.zeros(240, np.int64), asked, np.ones(240), given.stands_for(material.cells)
    )
    assert threshold_of(faces, 0.03) > 0
    assert overall(faces, threshold_of(faces, 0.03)).share < 0.03
    alike = np.where(np.isnan(asked), np.nan, np.float32(0.5))
    with pytest.raises(InputError, match="fmr must be at least 1, the share of pairs"):
        threshold_of(replace(faces, similarity=alike), 0.03)


def test_equal_images_are_one_face(material: AuditImages, tmp_path: Path) -> None:
    twice = material.take([*range(240), 0, 1])
    pairs = choose_pairs(twice, 2100, 0)
    assert pairs.max() < 240
    write_blind_set(twice, tmp_path / "set", pairs=pairs)
    with (tmp_path / "set" / "pairs.csv").open(newline="") as file:
        rows = [(row["file_name_a"], row["file_name_b"], 0.5) for row in csv.DictReader(file)]
    found = read_scores(write(tmp_path / "filled.csv", rows), twice)
    assert (found.kept, found.missing, found.caveats) == (2100, 0, ())
    same = choose_pairs(material, 2100, 0)
    assert np.array_equal(pairs, same)
    write_blind_set(twice, tmp_path / "set")
    assert "into the column score" in (tmp_path / "set" / "README.txt").read_text()
    with pytest.raises(InputError, match="must hold the pairs that are asked for, got 2,100"):
        write_blind_set(twice, tmp_path / "set", pairs=choose_pairs(twice, 4200, 0))


def test_pairs_are_as_many_of_each_two_cells_and_in_no_order(material: AuditImages) -> None:
    cells = material.cells
    pairs = choose_pairs(material, 2100, 3)
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs) == 2100
    kinds = np.sort(cells[pairs], axis=1)
    assert set(np.unique(kinds, axis=0, return_counts=True)[1].tolist()) == {100}
    assert abs(np.mean(cells[pairs[:, 0]] > cells[pairs[:, 1]]) - 15 / 42) < 0.05
    assert np.abs(np.corrcoef(np.arange(2100), kinds[:, 0])[0, 1]) < 0.1
    assert not np.array_equal(pairs, choose_pairs(material, 2100, 4))
    with pytest.raises(InputError, match="pairs must be at least 21, one for each two cells"):
        choose_pairs(material, 20, 0)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("0", "elsewhere.png", 1), "row 3 .* must name two images of the set"),
        (("0", "0", 1), "must name two different images"),
        (("1", "0", 1), "must name a pair that row 2 does not"),
        (("0", "2", "near"), "in score, got near. Correct the score, or leave it empty"),
        (("0", "2", "nan"), "must have a number of .* in score"),
        (("0", "2", "1e300"), "must have a number of .* in score"),
    ],
)
def test_bad_scores_are_named(
    material: AuditImages, tmp_path: Path, row: tuple[str, str, object], says: str
) -> None:
    with pytest.raises(FileFormatError, match=says):
        read_scores(write(tmp_path / "pairs.csv", [("0", "1", 0.5), row]), material)


def test_a_table_without_scores_or_columns_is_refused(
    material: AuditImages, tmp_path: Path
) -> None:
    with pytest.raises(FileFormatError, match="must have a score, got none"):
        read_scores(write(tmp_path / "pairs.csv", [("0", "1", "")]), material)
    (tmp_path / "other.csv").write_text("a,b\n0,1\n")
    with pytest.raises(FileFormatError, match="must have the columns file_name_a"):
        read_scores(tmp_path / "other.csv", material)
    (tmp_path / "set.csv").write_text(f"file_name_a,file_name_b,score,set_digest\n0,1,1,{'0' * 16}")
    with pytest.raises(FileFormatError, match="must be of the set"):
        read_scores(tmp_path / "set.csv", material)


def test_a_planted_excess_is_found_through_the_blind_set(
    toy_sampler: Sampler, cli: Callable[..., Done], tmp_path: Path
) -> None:
    save_sampler(toy_sampler, tmp_path / "sampler.safetensors")
    to, out = tmp_path / "set", tmp_path / "audit"
    cli(
        *("audit", "export-set", str(tmp_path / "sampler.safetensors"), "--n", "240"),
        *("--pairs", "4200", "--to", str(to), "--out", str(out)),
    )
    cells = {path.name: cell for path, cell in _cells(out / "material", to)}
    rng = np.random.default_rng(0)
    with (to / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "into the column score" in (to / "README.txt").read_text()
    filled = []
    for i, row in enumerate(rows):
        first, second = row["file_name_a"], row["file_name_b"]
        alike = cells[first] == cells[second] == "smiling=yes, skin_tone=dark"
        filled.append((first, second, "" if i % 50 == 0 else rng.normal(1.5 if alike else 0.0)))
    file = write(tmp_path / "filled.csv", filled)
    given = ("audit", "verification", str(out / "material"), "--scores", str(file))
    done = cli(*given, "--fmr", "0.02", "--out", str(tmp_path / "v"))
    assert "issue" in done.stdout
    audit = read_record(tmp_path / "v" / "verification.json", VerificationAudit, "")
    within, between = audit.tables[0], audit.tables[-1]
    assert within.gap is not None and between.gap is not None
    assert within.gap.gap.highest == "smiling=yes, skin_tone=dark"
    assert within.gap.p_value < 0.05 < between.gap.p_value
    scored = [cells[first] == cells[second] for first, second, score in filled if score != ""]
    assert (audit.costs[0].kept, sum(rate.n for rate in within.rates)) == (4116, sum(scored))
    both = cli(*given, "--descriptors", "mine:embed", code=2)
    assert "descriptors or scores must be given" in both.error
    none = cli(*given[:3], "--out", str(tmp_path / "w"), code=2)
    assert "descriptors or scores must be given, got none" in none.error


def _cells(material: Path, blind: Path) -> list[tuple[Path, str]]:
    """Return the blind images with their cells, which the set itself does not say."""
    images = read_audit_images(material)
    names = [name_of(digest) for digest in images.digests]
    cells = [images.grid.cells[k] for k in images.cells]
    return [(blind / "images" / name, cell) for name, cell in zip(names, cells, strict=True)]
