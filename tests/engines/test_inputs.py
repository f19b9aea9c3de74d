"""Inputs are there while their shards are under way, and no longer."""

from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.folders import LocalFolder
from equipoise.engines import Finished, Shard, ShardInputs


def test_an_input_is_written_before_its_shard_is_given_and_removed_when_it_is_done(
    tmp_path: Path,
) -> None:
    inputs = ShardInputs(LocalFolder(tmp_path), "codes", ".npy")
    left = tmp_path / "codes-00009.npy"
    left.touch()
    (tmp_path / "codes.txt").touch()
    shards = [Shard(i, i, i + 1) for i in range(3)]

    def ended() -> object:
        for shard in inputs.given(shards, lambda shard: b"%d" % shard.start):
            assert inputs.read(shard) == b"%d" % shard.number
            yield Finished(shard, "killed" if shard.number == 1 else "")

    taken = inputs.taken(ended())  # type: ignore[arg-type]
    assert next(taken).shard.number == 0
    assert not (tmp_path / "codes-00000.npy").exists() and left.exists()
    assert [one.lost for one in taken] == ["killed", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["codes.txt"]
    with pytest.raises(FileFormatError, match=r"codes .*codes-00000\.npy must be there until"):
        inputs.read(shards[0])
