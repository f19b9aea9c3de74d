import csv
import errno
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import RESERVED
from equipoise.core.errors import FileFormatError, InputError, StorageError
from equipoise.core.progress import Execution
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.draw import one_shot
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.formats import FORMATS
from equipoise.samplers.export.metadata import metadata_rows, read_metadata
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_panel_of_another_order_is_refused_before_a_file_is_made(
    toy_sampler: Sampler, toy: ToyGenerator, tmp_path: Path
) -> None:
    panel = open_panel(["skin_tone", "smiling"], toy)
    for kind in FORMATS:
        with pytest.raises(InputError, match="attributes must be those of the sampler"):
            write_draws(toy_sampler, Models(toy, panel), DrawRequest(5), tmp_path / "out", kind)
    assert not (tmp_path / "out").exists()


def test_the_folder_holds_the_images_and_the_truth_of_each(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(300, seed=4), tmp_path)
    rows = rows_of(tmp_path)
    draws = toy_sampler.draw(300, 4)
    images = toy.images(draws.codes)
    truth = toy.levels(draws.codes)
    for i, row in enumerate(rows):
        assert (row["index"], row["seed"]) == (str(i), "4")
        assert row["requested"] == toy_sampler.grid.cells[draws.requested[i]]
        tone, smiling = (toy.grid.attributes[a].levels[truth[i, a]] for a in (0, 1))
        assert (row["skin_tone"], row["smiling"]) == (tone, smiling)
        assert row["achieved"] == f"smiling={smiling}, skin_tone={tone}"
        assert np.array_equal(
            np.asarray(Image.open(tmp_path / row["file_name"])).transpose(2, 0, 1), images[i]
        )
    assert len(rows) == 300
    assert float(rows[0]["smiling.p.yes"]) in (0.0, 1.0)


def test_a_stopped_folder_goes_on(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(600), tmp_path / "whole")

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 256:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_draws(
            toy_sampler,
            Models(toy, toy_panel),
            DrawRequest(600),
            tmp_path / "broken",
            execution=Execution(progress=stop),
        )
    assert len(rows_of(tmp_path / "broken")) == 256
    with (tmp_path / "broken" / "metadata.csv").open("a") as table:
        table.write("images/000000256.png,0,25")
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(600), tmp_path / "broken")
    one, other = ((tmp_path / r / "metadata.csv").read_bytes() for r in ("whole", "broken"))
    assert one == other
    assert len(list((tmp_path / "broken" / "images").iterdir())) == 600


def test_verified_counts_are_exact_and_go_on(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    request = DrawRequest(60, seed=2, verified=True)
    write_draws(toy_sampler, Models(toy, toy_panel), request, tmp_path / "whole")
    rows = rows_of(tmp_path / "whole")
    assert all(row["requested"] == row["achieved"] for row in rows)
    counts = [sum(row["requested"] == cell for row in rows) for cell in toy_sampler.grid.cells]
    assert counts == [10] * 6

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_draws(
            toy_sampler,
            Models(toy, toy_panel),
            request,
            tmp_path / "broken",
            execution=Execution(progress=stop),
        )
    assert 0 < len(rows_of(tmp_path / "broken")) < 60
    write_draws(toy_sampler, Models(toy, toy_panel), request, tmp_path / "broken")
    assert rows_of(tmp_path / "broken") == rows


def test_one_cell_alone(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    cell = "smiling=yes, skin_tone=dark"
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(20, cell=cell), tmp_path)
    assert {row["requested"] for row in rows_of(tmp_path)} == {cell}


def test_npz_holds_the_same(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    out = write_draws(
        toy_sampler, Models(toy, toy_panel), DrawRequest(300), tmp_path / "d.npz", "npz"
    )
    with np.load(out, allow_pickle=False) as stored:
        assert np.array_equal(stored["images"], toy.images(toy_sampler.draw(300, 0).codes))
        assert stored["index"].tolist() == list(range(300))
        assert set(stored["smiling"]) <= {"yes", "no"}
    again = write_draws(
        toy_sampler, Models(toy, toy_panel), DrawRequest(300), tmp_path / "e.npz", "npz"
    )
    assert again.read_bytes() == out.read_bytes()


def test_metadata_keep_the_order_of_levels(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(20), tmp_path)
    held = {one.name: one.ordered for one in read_metadata(tmp_path).grid.attributes}
    assert held == {"smiling": False, "skin_tone": True}
    table = (tmp_path / "metadata.csv").read_text().splitlines()
    column = table[0].split(",").index("skin_tone.score")
    rows = [next(csv.reader([line])) for line in table]
    for row in rows[1:]:
        row[column] = ""  # As of a classifier whose levels have no order.
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert not any(one.ordered for one in read_metadata(tmp_path).grid.attributes)


def test_a_mode_may_be_written_in_several_ways_and_is_of_verified_draws() -> None:
    assert DrawRequest(1, verified=True, faithful=".90") == DrawRequest(
        1, verified=True, faithful="0.9"
    )
    with pytest.raises(InputError, match="faithful must be given with verified draws alone, got"):
        DrawRequest(1, faithful="exact")


def test_tar_pairs_images_with_json(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    out = write_draws(
        toy_sampler, Models(toy, toy_panel), DrawRequest(5), tmp_path / "d.tar", "tar"
    )
    with tarfile.open(out) as archive:
        names = archive.getnames()
        assert names[:2] == ["000000000.png", "000000000.json"]
        row = json.load(archive.extractfile(names[1]))  # type: ignore[arg-type]
    assert row["file_name"] == "000000000.png"
    assert row["index"] == 0


def test_bad_requests_are_named_before_anything_is_written(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for request, kind, said in [
        (DrawRequest(-1), "folder", "n must be .* got -1"),
        (DrawRequest(0), "tar", "n must be .* got 0"),
        (DrawRequest(5), "zip", "format must be one of folder, npz, tar, got zip"),
        (DrawRequest(5, cell="smiling=yes"), "folder", "cell must name each of"),
    ]:
        with pytest.raises(InputError, match=said):
            write_draws(toy_sampler, Models(toy, toy_panel), request, out, kind)
    with pytest.raises(FileFormatError, match="must be of the generator"):
        write_draws(
            toy_sampler, Models(ToyGenerator(entanglement=0.1), toy_panel), DrawRequest(5), out
        )
    assert not out.exists()


def test_a_folder_of_other_draws_is_refused(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(5), tmp_path / "a")
    with pytest.raises(InputError, match="must be empty or hold draws of the same sampler"):
        write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(5, seed=1), tmp_path / "a")
    (tmp_path / "b" / "images").mkdir(parents=True)
    (tmp_path / "b" / "images" / "mine.png").write_text("mine")
    with pytest.raises(InputError, match=r"must be empty .* got other files"):
        write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(5), tmp_path / "b")
    with pytest.raises(InputError, match=r"n must be at least what .* 5 images, got 3"):
        write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(3), tmp_path / "a")


def test_a_lost_image_is_made_again(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    cells = ("smiling=yes, skin_tone=dark", "skin_tone=dark, smiling=yes")
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(20, cell=cells[0]), tmp_path)
    before = (tmp_path / "metadata.csv").read_bytes()
    lost = tmp_path / "images" / "000000007.png"
    content = lost.read_bytes()
    lost.unlink()
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(20, cell=cells[1]), tmp_path)
    assert lost.read_bytes() == content
    assert (tmp_path / "metadata.csv").read_bytes() == before


def test_no_column_but_those_of_attributes_is_free(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    (drawn,) = one_shot(toy_sampler, Models(toy, toy_panel), 3)
    row = next(metadata_rows(drawn, 0, 0))
    own = [name for name in row if not name.startswith(toy_panel.grid.names)]
    assert set(own) <= set(RESERVED)


def test_after_rows_taken_away_by_hand_no_draw_comes_twice(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    models, table = Models(toy, toy_panel), tmp_path / "metadata.csv"
    for verified in (False, True):
        out = tmp_path / str(verified)
        write_draws(toy_sampler, models, DrawRequest(12, verified=verified), out)
        table = out / "metadata.csv"
        lines = table.read_text().splitlines(keepends=True)
        for number in (2, 7):
            (out / "images" / f"{number:09d}.png").unlink()
        table.write_text("".join(lines[i] for i in range(13) if i - 1 not in (2, 7)))
        kept = {path: path.read_bytes() for path in (out / "images").iterdir()}
        write_draws(toy_sampler, models, DrawRequest(18, verified=verified), out)
        rows = rows_of(out)
        assert len(rows) == 18
        assert len({(row["index"], verified and row["requested"]) for row in rows}) == 18
        assert len({row["file_name"] for row in rows}) == 18
        assert all(path.read_bytes() == content for path, content in kept.items())
        assert {path.name for path in (out / "images").iterdir()} == {
            Path(row["file_name"]).name for row in rows
        }


def test_a_table_changed_by_hand_is_named(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    models, table = Models(toy, toy_panel), tmp_path / "metadata.csv"
    write_draws(toy_sampler, models, DrawRequest(3), tmp_path)
    text = table.read_text()
    for changed, said in (
        (text.replace(",1,", ",one,", 1), "row 3 of .* must be as `equipoise sample` wrote it"),
        (text.replace("index", "number", 1), "must have the column 'index' once"),
    ):
        table.write_text(changed)
        with pytest.raises(FileFormatError, match=said):
            write_draws(toy_sampler, models, DrawRequest(5), tmp_path)


@pytest.mark.parametrize(
    ("kind", "kept"), [("folder", "same command resumes"), ("npz", "nothing of this one is kept")]
)
def test_a_full_disk_says_what_is_kept(
    kind: str,
    kept: str,
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = "folder.marked_png" if kind == "folder" else "formats.metadata_rows"
    monkeypatch.setattr(f"equipoise.samplers.export.{place}", full)
    with pytest.raises(StorageError, match=f"No space left on device.*{kept}"):
        write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(3), tmp_path / "out", kind)
    assert not (tmp_path / "out").is_file()
