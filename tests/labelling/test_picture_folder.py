import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from equipoise.core.errors import FileFormatError, InputError
from equipoise.labelling.picture_folder import find_pictures, whole_pictures


def picture(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (200, 150, 100)).save(path, format=kind)
    return path


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_pictures(folder).files]


def test_hidden_files_and_folders_are_left_out_and_counted(tmp_path: Path) -> None:
    home = tmp_path / ".cache" / "pictures"  # A hidden folder above says nothing.
    picture(home / "a.png")
    picture(home / ".ipynb_checkpoints" / "a-checkpoint.png")
    picture(home / ".thumbs" / "deep" / "a.png")
    (home / "__MACOSX").mkdir()
    (home / "__MACOSX" / "._a.png").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X")
    (home / "._a.png").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X")
    assert names(home) == ["a.png"]
    assert find_pictures(home).described() == ["left out 4: hidden files (.png)"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    picture(home / "a.png")
    picture(other / "deep" / "b.png")
    (home / "more").symlink_to(other)
    (home / "again").symlink_to(other / "deep")
    (home / "self").symlink_to(home)
    (other / "deep" / "up").symlink_to(other)
    (home / "c.png").symlink_to(home / "a.png")
    (home / "gone.png").symlink_to(home / "nothing")
    found = find_pictures(home)
    assert len(found.files) == 3
    assert names(home)[:2] == ["a.png", "again/b.png"]
    assert len({path.resolve() for path in found.files}) == 2
    assert {reason: len(paths) for reason, paths in found.left_out.items()} == {
        "links to nothing": 1,
        "links to folders that are read already": 3,
    }


def test_a_picture_is_known_by_its_content_and_the_rest_is_counted(tmp_path: Path) -> None:
    for name, kind in [("a.jpe", "JPEG"), ("b.pjpeg", "JPEG"), ("c", "WEBP"), ("d.data", "TIFF")]:
        picture(tmp_path / name, kind)
    for name, kind in [("e.tga", "TGA"), ("f.gif", "GIF"), ("g.ppm", "PPM")]:
        picture(tmp_path / name, kind)
    (tmp_path / "notes.txt").write_text("BM is no bitmap here")
    assert names(tmp_path) == ["a.jpe", "b.pjpeg", "c", "d.data"]
    assert find_pictures(tmp_path).described() == [
        "left out 4: files of other kinds (.gif, .ppm, .tga, .txt)"
    ]
    os.mkfifo(tmp_path / "pipe.png")
    assert "neither files nor folders" in find_pictures(tmp_path).left_out


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError, match=r"left out 1: files of other kinds \(\.csv\)"):
        find_pictures(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(InputError, match="folders that cannot be opened"):
        find_pictures(tmp_path)


def test_all_broken_files_are_named_before_the_work(tmp_path: Path) -> None:
    for i in range(40):
        picture(tmp_path / f"{i:02d}.png")
    whole = (tmp_path / "00.png").read_bytes()
    (tmp_path / "05.png").write_bytes(whole[:-30])
    (tmp_path / "30.png").write_bytes(b"")
    files = find_pictures(tmp_path).files
    with pytest.raises(FileFormatError, match="2 of 40 images") as caught:
        whole_pictures(files)
    shown = str(caught.value)
    assert "05.png: " in shown
    assert "30.png: an empty file" in shown
    assert "--skip-broken" in shown
    kept = whole_pictures(files, skip_broken=True)
    assert [path.name for path in kept] == [p.name for p in files if p.stem not in ("05", "30")]
    with pytest.raises(FileFormatError, match="2 of 2 images"):
        whole_pictures([files[5], files[30]], skip_broken=True)


def test_an_error_names_a_hundred_files_at_most(tmp_path: Path) -> None:
    files = [tmp_path / f"{i:03d}.png" for i in range(120)]
    for path in files:
        path.touch()
    with pytest.raises(FileFormatError, match="and 20 more"):
        whole_pictures(files)
