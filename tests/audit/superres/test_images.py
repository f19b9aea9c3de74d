from pathlib import Path

import numpy as np

from equipoise.audit.images import AuditImages
from equipoise.audit.superres.images import JPEG_QUALITY, read_levels
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.attributes import UNKNOWN
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.image_files import PictureFiles


def test_jpeg_changes_pixels_a_little_and_no_level_far_from_a_threshold(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    some = material.take(range(0, 240, 8))
    encoded = some.pictures.reencoded(JPEG_QUALITY)
    apart = encoded.images(range(30)).astype(int) - some.images(range(30))
    assert 0 < np.abs(apart).mean() < 10
    assert not set(encoded.digests) & set(some.digests)
    levels, costs = read_levels(toy_panel, encoded, folder, "JPEG")
    assert (levels == some.levels).all(axis=1).mean() > 0.8
    assert [cost.asked for cost in costs] == [30]
    assert read_levels(toy_panel, encoded, folder, "JPEG")[1][0].kept == 30


def test_the_panels_order_and_threshold_of_abstention_hold(
    material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    some = material.take(range(20))
    turned = ClassifierPanel(
        [ToyClassifier(toy, ["smiling", "skin_tone"])], ["skin_tone", "smiling"]
    )
    levels, _ = read_levels(turned, some, folder, "original")
    assert np.array_equal(levels, some.levels[:, ::-1])
    unsure = ToyClassifier(toy, ["smiling"], confusion={"smiling": [[0.6, 0.4], [0.4, 0.6]]})
    strict = ClassifierPanel([unsure], ["smiling"], abstain_below=0.7)
    assert (read_levels(strict, some, folder, "original")[0] == UNKNOWN).all()


def test_files_are_named_by_what_they_hold(material: AuditImages) -> None:
    paths = [material.folder / material.files[row] for row in (0, 1, 0)]
    found = PictureFiles.of(paths)
    assert found.digests == tuple(material.digests[row] for row in (0, 1, 0))
    assert np.array_equal(found.images([1]), material.images([1]))
