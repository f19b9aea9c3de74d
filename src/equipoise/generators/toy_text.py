"""A text-to-image generator of simple faces by rectified flow, whose truth is known in closed form.

A prompt gives the shares of the cells. The latents of its images are a mixture of normal
distributions, one for each cell: x_1 ~ sum_k w_k N(m_k, S). Rectified flow joins them with noise by
straight lines, x_t = (1 - t) x_0 + t x_1 (Liu et al. 2022, arXiv 2209.03003), so given the cell k

    x_t ~ N(t m_k, V_t),  V_t = (1 - t)^2 I + t^2 S,
    E[x_1 | x_t, k] = m_k + t S V_t^-1 (x_t - t m_k),
    P(k | x_t) is proportional to w_k N(x_t; t m_k, V_t),

and the velocity field E[x_1 - x_0 | x_t] = (E[x_1 | x_t] - x_t) / (1 - t) needs no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, softmax

from equipoise.core.errors import InputError, check_count
from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.address import Readers, parse_address, read_options
from equipoise.generators.base import check_codes
from equipoise.generators.priors import ContextNormal
from equipoise.generators.prompts import read_prompts
from equipoise.generators.toy import ToyFaces

JOBS = (
    "accountant", "actor", "architect", "artist", "baker",
    "barber", "butcher", "carpenter", "chef", "cleaner",
    "clerk", "coach", "dancer", "dentist", "designer",
    "doctor", "driver", "electrician", "engineer", "farmer",
    "firefighter", "gardener", "guard", "judge", "lawyer",
    "librarian", "manager", "mechanic", "musician", "nurse",
    "painter", "pharmacist", "pilot", "plumber", "professor",
    "secretary", "singer", "tailor", "teacher", "writer",
)  # fmt: skip
"""Words that shift the shares, each in its own way, fixed once."""

EDITS = {
    "dark": ("skin_tone", "dark"),
    "medium": ("skin_tone", "medium"),
    "light": ("skin_tone", "light"),
    "serious": ("smiling", "no"),
    "smiling": ("smiling", "yes"),
}
"""Words that ask for a level."""

LATENT = 8
"""Values of the noise and of a latent."""

_SHIFT = 2.5
"""Spread of a job's effect on the logarithms of the shares: deviation ratios average .6."""

_GAP, _SPREAD = 2.0, 0.25
"""Distance between the means of neighbouring levels, and standard deviation around them: levels
overlap in one image of 15,000."""

_LOOK = 0.5
"""Spread of the mean background and position of a job's faces."""

_Floats = NDArray[np.float64]


class ToyTextGenerator(ToyFaces):
    """Faces of 32x32 pixels by prompt, with known shares at every prompt and step.

    A code has 10 values: 8 of noise, the number of the context, and that of the variant: 0 is the
    prompt itself, and k + 1 its edit for cell k, which names the cell's levels. An edit leaks: its
    shares are `1 - leak` parts of the prompt's shares within the named levels, and `leak` parts of
    the prompt's shares as they are. Codes of the prior are of variant 0.

    Parameters
    ----------
    contexts : sequence of str, optional
        Prompts without level words; "a photo of a JOB" for each of `JOBS` by default. Words that
        are not known change nothing.
    names : sequence of str, optional
        Names of the contexts; the prompts by default.
    frequencies : sequence of float, optional
        How often the prior draws each context, summing to 1; equally often by default.
    leak : float
        In [0, 1].
    steps : int
        Steps from noise to latent, at least 1. Each evaluates the velocity twice (the midpoint
        rule, whose error falls with the square of the steps; that of Euler's steps would be seen).
    stem : int
        Steps after which `stem` looks, below `steps`.
    batch_size : int
        Codes per call.
    name : str
        Its address.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> toy = ToyTextGenerator(["a photo of a nurse"])
    >>> toy.text(0, 6)
    'a photo of a light smiling nurse'
    >>> toy.shares.shape, toy.images(toy.prior.codes(0, 0, 5)).shape
    ((1, 7, 6), (5, 3, 32, 32))
    """

    name = "toy-text"
    space = "noise"
    dim = LATENT + 2

    def __init__(
        self,
        contexts: Sequence[str] | None = None,
        *,
        names: Sequence[str] | None = None,
        frequencies: Sequence[float] | None = None,
        leak: float = 0.2,
        steps: int = 20,
        stem: int = 8,
        batch_size: int = 256,
        name: str = name,
    ) -> None:
        self.name = name
        even = {"skin_tone": {"dark": 1 / 3, "medium": 1 / 3, "light": 1 / 3}}
        super().__init__(even | {"smiling": {"no": 0.5, "yes": 0.5}})
        texts = [f"a photo of a {job}" for job in JOBS] if contexts is None else list(contexts)
        if not texts:
            raise InputError("contexts", "must be at least one prompt", "none", "Give one.")
        for text in texts:
            if not text.strip() or set(text.lower().split()) & EDITS.keys():
                rule = f"must be a text without {', '.join(EDITS)}"
                raise InputError("context", rule, text, "The variants of a context add such words.")
        if not 0 <= leak <= 1:
            raise InputError("leak", "must be in [0, 1]", leak, "Try 0.2.")
        check_count("steps", steps, "Try 20.")
        if not 0 <= stem < steps:
            raise InputError("stem", f"must be in [0, {steps})", stem, "Lower it, or raise steps.")
        self._texts = tuple(texts)
        self.contexts = self._texts if names is None else tuple(names)
        often = (1 / len(texts),) * len(texts) if frequencies is None else tuple(frequencies)
        for given, what in ((self.contexts, "names"), (often, "frequencies")):
            if len(given) != len(texts):
                rule = f"must be one for each of {len(texts):,} prompts"
                raise InputError(what, rule, len(given), "Give as many.")
        self.leak, self.steps, self.batch_size, self.stage = leak, steps, batch_size, stem
        self.prior = ContextNormal(LATENT, often)
        own = [] if names is None and frequencies is None else [self.contexts, often]
        settings = json.dumps([self._texts, leak, steps, stem, *own])
        self.digest = hashlib.sha256(settings.encode()).hexdigest()
        levels = np.zeros((self.grid.size, LATENT))
        sizes = np.array(self.grid.shape)
        levels[:, : len(sizes)] = (self.grid.levels - (sizes - 1) / 2) * _GAP
        looks = np.array([self._effects(text, LATENT, 1) * _LOOK for text in texts])
        looks[:, : len(sizes)] = 0
        self._means: _Floats = levels + looks[:, None]
        self._variances = np.where(np.arange(LATENT) < len(sizes), _SPREAD**2, 1.0)

    @property
    def edits(self) -> tuple[str, ...]:
        """Cell that each edit asks for, all K of them."""
        return self.grid.cells

    @property
    def variants(self) -> int:
        """Variants of a context: the prompt, and an edit for each cell."""
        return 1 + self.grid.size

    def text(self, context: int, variant: int) -> str:
        """Return the prompt of a context and a variant."""
        prompt = self._texts[context]
        if not variant:
            return prompt
        levels = self.grid.levels[variant - 1]
        asked = {(a.name, a.levels[i]) for a, i in zip(self.grid.attributes, levels, strict=True)}
        before, _, last = prompt.rpartition(" ")
        edits = [word for word, named in EDITS.items() if named in asked]
        return " ".join(filter(None, [before, *edits, last]))

    def shares_of(self, text: str) -> _Floats:
        """Return the mixture weights of any text, shape (K,): what its words ask for.

        Words for several levels of one attribute allow each of them.
        """
        own = softmax(_SHIFT * self._effects(text, self.grid.size, 0))
        asked = [EDITS[word] for word in text.lower().split() if word in EDITS]
        allowed = np.ones(self.grid.size, bool)
        for a, attribute in enumerate(self.grid.attributes):
            levels = [attribute.level(level) for name, level in asked if name == attribute.name]
            if levels:
                allowed &= np.isin(self.grid.levels[:, a], levels)
        inside = own * allowed / (own @ allowed)
        return np.asarray((1 - self.leak) * inside + self.leak * own if asked else own)

    @cached_property
    def shares(self) -> _Floats:
        """Mixture weights of each context and variant, shape (C, 1 + K, K)."""
        rows = [
            [self.shares_of(self.text(c, v)) for v in range(self.variants)]
            for c in range(len(self.contexts))
        ]
        return np.array(rows)

    @cached_property
    def cell_shares(self) -> _Floats:
        """Shares of the cells in images of each context and variant, shape (C, 1 + K, K).

        The mixture weights, but for the little that the levels overlap.
        """
        seen = np.ones((self.grid.size, self.grid.size))
        for a, size in enumerate(self.grid.shape):
            edges = np.array([-np.inf, *((np.arange(1, size) - size / 2) * _GAP), np.inf])
            below = ndtr((edges - self._means[0, :, a, None]) / _SPREAD)
            seen *= np.diff(below, axis=1)[:, self.grid.levels[:, a]]
        return np.asarray(self.shares @ seen)

    def codes_of(
        self, seed: int, start: int, stop: int, context: int, variant: int = 0
    ) -> NDArray[np.float32]:
        """Return codes of one context and variant, shape (stop - start, 10), with the seed's noise.

        Raises
        ------
        InputError
            When there is no such context or variant.
        """
        codes = self.prior.codes_of(seed, start, stop, context, variant)
        self._placed(codes)
        return codes

    def advance(
        self, states: _Floats, codes: NDArray[np.float32], first: int, last: int
    ) -> _Floats:
        """Return the states after steps [first, last), shape (n, 8), from those before.

        Parameters
        ----------
        states : numpy.ndarray, shape (n, 8), float64
            After `first` steps. After none they are the noise, `codes[:, :8]`.
        codes : numpy.ndarray, shape (n, 10), float32
            They name the contexts and variants.
        first, last : int
            0 <= first <= last <= steps.
        """
        placed = self._placed(codes)
        found = np.asarray(states, np.float64)
        step = 1 / self.steps
        for number in range(first, last):
            time = number * step
            halfway = found + step / 2 * self._velocity(found, placed, time)
            found = found + step * self._velocity(halfway, placed, time + step / 2)
        return found

    def states(self, codes: NDArray[np.float32], steps: int) -> _Floats:
        """Return the states of codes after some steps, shape (n, 8)."""
        rows = check_codes(codes, self.dim)
        return self.advance(rows[:, :LATENT].astype(np.float64), rows, 0, steps)

    def posterior(
        self, states: _Floats, codes: NDArray[np.float32], steps: int
    ) -> tuple[_Floats, _Floats]:
        """Return P(cell | state) and the mean latent of each state at t = steps / self.steps.

        They are those of data and noise joined by straight lines. The flow has the same states at
        every step, so its probabilities average to the shares; but it is deterministic, and the
        cell that it leads to is decided by the state (`levels`).

        Parameters
        ----------
        states : numpy.ndarray, shape (n, 8), float64
        codes : numpy.ndarray, shape (n, 10), float32
            They name the contexts and variants.
        steps : int
            In [0, self.steps].

        Returns
        -------
        probabilities : numpy.ndarray, shape (n, K), float64
        means : numpy.ndarray, shape (n, 8), float64
            The guess at the clean latent.
        """
        return self._posterior(states, self._placed(codes), steps / self.steps)

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the guess at the clean latent and the logarithm of the shares, shape (n, 8 + K).

        The shares are those of the prompt: they stand for the embedding of a text.
        """
        return self.begin(codes)[0]

    def begin(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], _Floats]:
        """Return what `stem` and `states` return after `stage` steps."""
        rows = check_codes(codes, self.dim)
        states = self.states(rows, self.stage)
        guess = self.posterior(states, rows, self.stage)[1]
        with np.errstate(divide="ignore"):
            embedding = np.maximum(np.log(self.shares[self._placed(rows)]), -20)
        return np.concatenate([guess, embedding], axis=1).astype(np.float32), states

    def values(self, latents: _Floats) -> NDArray[np.uint8]:
        """Return each attribute's value in [0, 255], shape (n, A), uint8, of final latents."""
        sizes = np.array(self.grid.shape)
        along = latents[:, : len(sizes)] / (_GAP * sizes) + 0.5
        return np.asarray(np.rint(255 * np.clip(along, 0, 1)).astype(np.uint8))

    def levels(self, codes: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the true level of each attribute, shape (n, A), int8."""
        return self.levels_of(self.values(self.states(codes, self.steps)))

    def finish(self, latents: _Floats) -> NDArray[np.uint8]:
        """Return the images of final latents, shape (n, 3, 32, 32), uint8 RGB."""
        return self.faces(self.values(latents), latents[:, -5:].astype(np.float32))

    def carry_on(
        self, states: NDArray[np.floating], codes: NDArray[np.float32], steps: int
    ) -> NDArray[np.uint8]:
        """Return the images of states after `steps` steps: those of `images`, to the byte."""
        latents = np.asarray(states, np.float64)
        return self.finish(self.advance(latents, codes, steps, self.steps))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, 32, 32), uint8 RGB."""
        return self.finish(self.states(codes, self.steps))

    def _effects(self, text: str, size: int, purpose: int) -> _Floats:
        """Return the sum of the effects of a text's jobs, shape (size,)."""
        jobs = [JOBS.index(word) for word in text.lower().split() if word in JOBS]
        drawn = [generator_for(0, Stream.TOY_WORDS, purpose, j).standard_normal(size) for j in jobs]
        return np.sum(drawn, axis=0) if drawn else np.zeros(size)

    def _placed(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the context and the variant of each code."""
        return self.prior.placed(codes, self.variants)

    def _posterior(
        self, states: _Floats, placed: tuple[NDArray[np.int64], NDArray[np.int64]], time: float
    ) -> tuple[_Floats, _Floats]:
        means = self._means[placed[0]]
        variances = (1 - time) ** 2 + time**2 * self._variances
        apart = states[:, None] - time * means
        # Given a context, means of different cells differ in the attributes' values alone.
        free = len(self.grid.shape)
        squares = (apart[:, :, :free] ** 2 / variances[:free]).sum(axis=2)
        with np.errstate(divide="ignore"):
            found = softmax(np.log(self.shares[placed]) - squares / 2, axis=1)
        latents = means + (time * self._variances / variances) * apart
        return found, np.asarray((found[:, :, None] * latents).sum(axis=1))

    def _velocity(
        self, states: _Floats, placed: tuple[NDArray[np.int64], NDArray[np.int64]], time: float
    ) -> _Floats:
        return (self._posterior(states, placed, time)[1] - states) / (1 - time)


_OPTIONS: Readers = {
    "leak": (float, "a number"),
    "steps": (int, "a whole number"),
    "stem": (int, "a whole number"),
}


def open_toy_text(name: str, *, batch_size: int = 256) -> ToyTextGenerator:
    """Open the toy with the prompts of a list: "toy-text:jobs.csv?leak=0.1".

    Names, texts and shares of the contexts are taken; edits are the toy's own, so rows of edits are
    passed over.

    Raises
    ------
    InputError, FileFormatError
        When an option, or the list (`read_prompts`), breaks its rule.
    """
    address = parse_address(name)
    options = read_options(address.options, _OPTIONS, "toy-text")
    prompts = read_prompts(address.file)
    return ToyTextGenerator(
        [own for own, *_ in prompts.texts],
        names=prompts.contexts,
        frequencies=prompts.shares,
        **options,
        batch_size=batch_size,
        name=name,
    )
