"""Balanced images for training with PyTorch: a stream, or a data set that is asked by number.

Which images there are depends on the sampler and the request alone: not on DataLoader workers, on
ranks, or on where a run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import InputError, check_count
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, check_seed, generator_for
from equipoise.generators.base import Generator, generate
from equipoise.samplers.acceptance import mode_name
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.job import DrawJob, DrawRequest
from equipoise.samplers.sampler import LatentBatch, Sampler

Transform = Callable[[torch.Tensor], Any]
"""What is done to an image, such as a transform of torchvision.transforms.v2."""


class BalancedImage(NamedTuple):
    """An image with what was asked for; PyTorch's loaders make batches of it, field by field.

    Attributes
    ----------
    image : torch.Tensor, shape (channels, height, width), uint8
        RGB in [0, 255], or what the transform made of it.
    levels : torch.Tensor, shape (A,), int64
        Levels of the cell.
    cell : int
        Requested cell. Verified images came out so; most one-shot images did.
    weight : torch.Tensor, shape (), float32
        As of `LatentBatch`.
    seed, index : int
        Name the image among one-shot draws, and with the cell among verified ones.
    """

    image: Any
    levels: torch.Tensor
    cell: int
    weight: torch.Tensor
    seed: int
    index: int  # type: ignore[assignment]  # A tuple's method of this name is not needed.


class BalancedImages(IterableDataset[BalancedImage]):
    """A stream of balanced images, made as a loop asks for them.

    Each DataLoader worker of each rank makes its own part, so that together they make images
    0..n-1 once. Ranks do as many steps each where their number divides n.

    Parameters
    ----------
    sampler : Sampler
    generator : Generator
        The one that the sampler was made for.
    n : int
        Images.
    seed : int
        Of the draws, in [0, 2**63). Another seed gives other images, as for a further epoch.
    cell : str, optional
        One cell alone; by default all, as the target says.
    panel : ClassifierPanel, optional
        Verifies the images: only those that came out as requested are there, so that counts are
        exact. They are looked for at once, on all cores. Without a panel, draws are one-shot.
    faithful : str or float, optional
        Of verified draws; the sampler's own by default, see `Sampler.for_verified`.
    transform : callable, optional
        Called with each image, a tensor of shape (channels, height, width), uint8.
    rank, ranks : int, optional
        Which of how many processes that train together this is, from 0 on; by default as
        `torch.distributed` says, where it is initialised.
    execution : Execution
        How verified images are looked for.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When an argument breaks its rule, or the panel reads other attributes.
    InsufficientLabelsError
        When a cell yields too few verified images.
    """

    def __init__(
        self,
        sampler: Sampler,
        generator: Generator,
        n: int,
        seed: int = 0,
        *,
        cell: str | None = None,
        panel: ClassifierPanel | None = None,
        faithful: str | float | None = None,
        transform: Transform | None = None,
        rank: int | None = None,
        ranks: int | None = None,
        execution: Execution = Execution(),
    ) -> None:
        self.n = check_count("n", n, "Pass 1000.")
        self.seed = check_seed(seed)
        self.cell = None if cell is None else sampler.grid.cells[sampler.grid.index(cell)]
        self.sampler, self.generator, self.transform = (
            sampler.bound(generator),
            generator,
            transform,
        )
        # Workers do not know of the ranks, so this is settled before they begin.
        self._rank, self._ranks = _place(rank, ranks)
        self._done = self._skipped = 0
        self._loaded: tuple[bool, int, int] | None = None
        mode = None if faithful is None else mode_name(faithful)
        self._identity = {
            "sampler": sampler.digest,
            "panel": panel.digest if panel else "",
            "draws": f"n={n}, seed={seed}, cell={self.cell}, faithful={mode}",
        }
        self._kept: LatentBatch | None = None
        if panel is not None:
            request = DrawRequest(n, seed, cell, verified=True, faithful=mode)
            job = DrawJob(self.sampler, Models(generator, panel), request, execution)
            kept, _ = gather_latents(job.batches(job.nothing()))
            # The last are of the cells that fill last, and a batch for training needs all cells.
            self._kept = kept.take(generator_for(seed, Stream.TRAINING_ORDER).permutation(n))
        elif faithful is not None:
            remedy = "Pass the panel that verifies, or leave it out."
            raise InputError("faithful", "must not be given without a panel", faithful, remedy)

    def indexed(self) -> IndexedImages:
        """Return the images as a data set that is asked by number, for loaders that shuffle."""
        return IndexedImages(self)

    def latents(self, start: int, stop: int) -> LatentBatch:
        """Return the draws of images [start, stop), in the order of the stream."""
        if self._kept is None:
            return self.sampler.draw(stop - start, self.seed, cell=self.cell, start=start)
        return self._kept.take(np.arange(start, stop))

    def made(self, draws: LatentBatch) -> Iterator[BalancedImage]:
        """Yield the images of draws."""
        images = torch.from_numpy(generate(self.generator, draws.codes))
        levels = torch.from_numpy(self.sampler.grid.levels[draws.requested])
        weights = torch.from_numpy(draws.weights.astype(np.float32))
        for i, image in enumerate(images):
            yield BalancedImage(
                image if self.transform is None else self.transform(image),
                levels[i],
                int(draws.requested[i]),
                weights[i],
                self.seed,
                int(draws.index[i]),
            )

    def __iter__(self) -> Iterator[BalancedImage]:
        if self._loaded not in (None, (get_worker_info() is None, *self._shard())):
            raise InputError(
                "state",
                "must be loaded by each worker of a loader, as StatefulDataLoader does",
                "one that the main process loaded",
                "Use torchdata's StatefulDataLoader, or num_workers=0.",
            )
        start, stop = self._part()
        self._done, self._skipped, self._loaded = self._skipped, 0, None
        for low, high in batches(start + self._done, stop, self.generator.batch_size):
            for image in self.made(self.latents(low, high)):
                self._done += 1  # Before the loop has the image, and may ask for the state.
                yield image

    def _shard(self) -> tuple[int, int]:
        """Return which part of how many this process makes."""
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        return self._rank * workers + number, self._ranks * workers

    def _part(self) -> tuple[int, int]:
        """Return the bounds of the images that this process makes."""
        # Parts are of neighbours, because codes come in blocks: no block is drawn by all workers.
        number, parts = self._shard()
        return number * self.n // parts, (number + 1) * self.n // parts

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream is, for `load_state_dict`.

        A stateful loader of torchdata asks each worker for it. Workers of a plain loader do not
        say how far they are: ask where there are none.
        """
        number, parts = self._shard()
        return {"done": self._done, "part": number, "parts": parts, **self._identity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next loop begin where the state was taken.

        Raises
        ------
        InputError
            When the state is of other draws, or of another number of workers or ranks.
        """
        number, parts = self._shard()
        for name, own in {"part": number, "parts": parts, **self._identity}.items():
            if state.get(name) != own:
                raise InputError(
                    f"state, {name}",
                    f"must be {own!r}",
                    state.get(name),
                    "Make the same data set, with as many workers and ranks.",
                )
        start, stop = self._part()
        done = check_count("state, done", state.get("done", -1), "Keep the state whole.", least=0)
        if done > stop - start:
            raise InputError(
                "state, done", f"must be at most {stop - start}", done, "Keep the state whole."
            )
        self._skipped = self._done = done
        self._loaded = get_worker_info() is None, number, parts


class IndexedImages(Dataset[BalancedImage]):
    """Balanced images by number.

    All codes are drawn when it is made, and kept; images are made when they are asked for. With
    `torch.utils.data.DistributedSampler` several ranks share them.

    Parameters
    ----------
    images : BalancedImages
    """

    def __init__(self, images: BalancedImages) -> None:
        self._images = images
        self._latents = images.latents(0, images.n)

    def __len__(self) -> int:
        return self._images.n

    def __getitem__(self, number: int) -> BalancedImage:
        return self.__getitems__([range(len(self))[number]])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[BalancedImage]:
        """Return several images, made in one call; a loader asks for each batch this way."""
        draws = self._latents.take(np.asarray(numbers, np.int64))
        return list(self._images.made(draws))


def _place(rank: int | None, ranks: int | None) -> tuple[int, int]:
    """Return which process of how many this is."""
    if ranks is None and rank is None:
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return 0, 1
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    ranks = check_count("ranks", 0 if ranks is None else ranks, "Pass rank=0, ranks=2.")
    rank = check_count("rank", -1 if rank is None else rank, "Pass rank=0, ranks=2.", least=0)
    if rank >= ranks:
        raise InputError("rank", f"must be below ranks, {ranks}", rank, "Count from 0.")
    return rank, ranks
