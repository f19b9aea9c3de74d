"""Text-to-image pipelines: official images, contexts, stages, and what is refused."""

import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators import Prompted, Staged, open_generator
from equipoise.generators.diffusion.text_embeddings import DESCRIBED
from equipoise.generators.diffusion.text_generator import TextGenerator

saving = pytest.importorskip("tests.builders.text_pipelines")

# PyTorch's tensors, where the schedulers hand them to NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LIST = (
    "id,text,share,negative,cell\nnurse,a nurse,1,dull,\ndoctor,the doctor,1,,\n"
    "nurse,a male nurse,,,gender=male\ndoctor,a male doctor,,,gender=male\n"
)
STEPS = 3
Opened = Callable[..., tuple[TextGenerator, Any]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """Return the folder of a kind of pipeline, and the pipeline."""
    known: dict[str, tuple[Path, Any]] = {}

    def get(kind: str) -> tuple[Path, Any]:
        if kind not in known:
            folder = tmp_path_factory.mktemp(kind)
            known[kind] = folder, saving.save(kind, folder)
        return known[kind]

    return get


@pytest.fixture
def opened(saved: Callable[[str], tuple[Path, Any]], tmp_path: Path) -> Opened:
    def get(kind: str, **options: object) -> tuple[TextGenerator, Any]:
        folder, official = saved(kind)
        size = {"size": 32 if kind == "sana" else 16}
        return opened_at(folder, tmp_path, **{**size, **options}), official

    return get


def opened_at(folder: Path, scratch: Path, table: str = LIST, **options: object) -> TextGenerator:
    prompts = scratch / "prompts.csv"
    prompts.write_text(table)
    given = {"prompts": prompts, "steps": STEPS, **options}
    query = "&".join(f"{key}={value}" for key, value in given.items())
    found = open_generator(f"diffusers-text:{folder}?{query}")
    assert isinstance(found, TextGenerator)
    return found


def call(official: Any, **given: object) -> np.ndarray:
    """Return the images of an official pipeline, shape (n, 3, height, width), in [0, 255]."""
    known = inspect.signature(official.__call__).parameters
    given |= {"use_resolution_binning": False, "clean_caption": False}
    given |= {"num_inference_steps": STEPS, "output_type": "np"}
    with torch.inference_mode():
        images = official(**{key: value for key, value in given.items() if key in known}).images
    return np.asarray(images.transpose(0, 3, 1, 2) * 255)


@pytest.mark.parametrize("kind", saving.KINDS)
def test_images_are_those_of_the_official_call(opened: Opened, kind: str) -> None:
    guided = {} if kind == "flux" else {"guidance": 3}
    generator, official = opened(
        kind, **guided, **({"context": "doctor"} if kind == "flux" else {})
    )
    assert isinstance(generator, Prompted)
    assert isinstance(generator, Staged)
    codes = generator.prior.codes(0, 0, 3)
    codes[1, -1] = 1
    names = [generator.contexts[int(number)] for number in codes[:, -2]]
    own = {"nurse": "a nurse", "doctor": "the doctor"}
    texts = [
        f"a male {name}" if v else own[name] for name, v in zip(names, codes[:, -1], strict=True)
    ]
    noise = torch.from_numpy(codes[:, :-2]).reshape(3, *generator.latent_shape)
    more: dict[str, Any] = {"guidance_scale": 3.0} if guided else {}
    rows = [
        call(
            official,
            prompt=[text],
            latents=noise[i : i + 1],
            height=generator.image_shape[1],
            width=generator.image_shape[2],
            **more,
            **({"negative_prompt": ["dull"]} if guided and name == "nurse" else {}),
        )
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    ours = generator.images(codes)
    assert np.abs(ours - np.concatenate(rows)).max() <= 1
    assert ours.std() > 20
    if kind in ("sdxl", "sd3", "flux", "sana"):
        # Their own solver stops after any step.
        states = generator.states(codes, 1)
        assert np.array_equal(
            generator.carry_on(states[1:], codes[1:], 1), generator.images(codes[1:])
        )


@pytest.mark.parametrize(
    ("kind", "solver"), [("sd", "ddim"), ("sdxl", "euler"), ("pixart-sigma", "ddim")]
)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_stage_and_its_end_are_the_whole_to_the_byte(
    opened: Opened, kind: str, solver: str, steps: int
) -> None:
    generator, _ = opened(kind, solver=solver, guidance=2)
    codes = generator.codes_of(0, 0, 4, 1, 1)
    states = generator.states(codes, steps)
    assert np.array_equal(generator.carry_on(states, codes, steps), generator.images(codes))


def test_the_stem_is_the_guess_at_the_clean_latent(opened: Opened) -> None:
    """With one step left, the guess of a flow is where that step leads."""
    generator, _ = opened("sd3", steps=4, stem=3, guidance=2)
    codes = generator.prior.codes(0, 0, 2)
    guess = generator.stem(codes)[:, :4]
    described = generator.stem(codes)[:, 4:]
    assert described.shape == (2, DESCRIBED, 8, 8)
    assert np.array_equal(described, np.broadcast_to(described[:, :, :1, :1], described.shape))
    features, states = generator.begin(codes)
    assert np.array_equal(features, generator.stem(codes))
    assert np.array_equal(states, generator.states(codes, 3))
    before, after = generator.states(codes, 2), generator.states(codes, 3)
    sigmas = generator._pipeline.made.scheduler
    sigmas.set_timesteps(4)
    here, there = sigmas.sigmas[2].item(), sigmas.sigmas[3].item()
    velocity = (after - before) / (there - here)
    assert guess == pytest.approx(before - here * velocity, abs=1e-4)
    prompts = [(c, v) for c in (0, 1) for v in range(1 + len(generator.edits))]
    numbers = [generator.stem(generator.codes_of(0, 0, 1, c, v))[0, 4:, 0, 0] for c, v in prompts]
    assert len({tuple(one) for one in numbers}) == len(prompts)
    packed, _ = opened("flux", context="doctor", stem=1)
    assert packed.stem(packed.prior.codes(0, 0, 2)).shape == (2, 16, 4, 4)


def test_prompts_are_encoded_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = opened("sd", guidance=2)
    made, asked = generator._pipeline.made, []
    encode = type(made).encode_prompt

    def counted(self: Any, prompt: str, *rest: Any, **given: Any) -> Any:
        if prompt is not None:
            asked.append(prompt)
        return encode(self, prompt, *rest, **given)

    counted.__signature__ = inspect.signature(encode)  # type: ignore[attr-defined]
    monkeypatch.setattr(type(made), "encode_prompt", counted)
    codes = generator.codes_of(0, 0, 3, 1, 1)
    first = generator.images(codes)
    assert asked == ["a male doctor"]
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(generator.images, [codes] * 4))
    assert all(np.array_equal(one, first) for one in again)
    assert asked == ["a male doctor"]


def test_the_digest_is_of_all_that_decides_images(opened: Opened) -> None:
    usual = opened("pixart-sigma", guidance=2)[0].digest
    assert opened("pixart-sigma", guidance=2)[0].digest == usual
    for change in ({"guidance": 3}, {"solver": "euler"}, {"negative": "x"}, {"context": "nurse"},
                   {"dtype": "bfloat16"}):  # fmt: skip
        assert opened("pixart-sigma", **{"guidance": 2, **change})[0].digest != usual


def test_thousands_of_contexts_open(
    saved: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    table = "id,text\n" + "".join(f"{i},person {i % 9}\n" for i in range(5000))
    generator = opened_at(saved("pixart-sigma")[0], tmp_path, table, size=16)
    assert generator.images(generator.codes_of(0, 0, 1, 4999)).shape == (1, 3, 16, 16)
    assert np.unique(generator.prior.codes(0, 0, 1000)[:, -2]).size > 800


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("sd", {"context": "pilot"}, r"context must be an id .* got pilot\. Pass one of nurse, do"),
        ("sd", {"size": 17}, r"size must be a multiple of 2, got 17\. Pass size=16"),
        ("sd", {"steps": 2000}, "steps must be 1 to 1000, got 2000"),
        (
            "sd",
            {"steps": 3, "stem": 1},
            "stem must be 0 with PNDM.* Pass solver=euler",
        ),
        ("sd", {"solver": "ancestral"}, "solver must be ddim, dpm, euler .* got ancestral"),
        ("flux", {"solver": "ddim"}, "solver must be euler for this pipeline, got ddim"),
        ("flux", {}, "negative must not be given .* got 'dull' at guidance 3.5"),
        ("sd", {"guidance": 1}, "negative must not be given .* got 'dull' at guidance 1"),
        ("sd", {"guidance": "nan"}, "guidance must be 1 to 100, got nan"),
        ("sd", {"dtype": "int8"}, "dtype must be float32, bfloat16, float16, got int8"),
        ("sdxl", {"dtype": "float16", "guidance": 2}, "dtype must be float32 or bfloat16 for this"),
        ("sd", {"colour": "red"}, "option of a text-to-image model must be one of .* got colour"),
    ],
)
def test_wrong_options_are_named(
    opened: Opened, kind: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        opened(kind, **options)


def test_prompts_are_required(saved: Callable[[str], tuple[Path, Any]]) -> None:
    with pytest.raises(InputError, match="prompts must be given"):
        open_generator(f"diffusers-text:{saved('sd')[0]}")


def changed(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def folder(saved: Callable[[str], tuple[Path, Any]], tmp_path: Path) -> Path:
    """Return a copy of a Stable Diffusion pipeline, made of links but for its JSON."""
    original, copy = saved("sd")[0], tmp_path / "copy"
    for path in original.rglob("*"):
        if path.is_file():
            here = copy / path.relative_to(original)
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("EulerAncestralDiscreteScheduler", {}),
        ("DDPMScheduler", {}),
        ("LCMScheduler", {}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ],
)
def test_a_scheduler_that_draws_noise_is_refused(
    folder: Path, tmp_path: Path, name: str, settings: dict[str, str]
) -> None:
    changed(folder, "model_index.json", scheduler=["diffusers", name])
    changed(folder, "scheduler/scheduler_config.json", **settings)
    with pytest.raises(InputError, match=rf"must draw no noise .*{name}.* Pass solver=ddim"):
        opened_at(folder, tmp_path)
    generator = opened_at(folder, tmp_path, solver="dpm")
    assert generator._pipeline.made.scheduler.config.algorithm_type == "dpmsolver++"


def test_a_solver_of_both_kinds_of_models_keeps_the_shift_of_a_flow(
    saved: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    """Sana is saved with such a solver, which names it otherwise."""
    official = saved("sana")[1]
    own = official.scheduler
    kind = saving.diffusers.DPMSolverMultistepScheduler
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    official.scheduler = kind(**flow)
    official.save_pretrained(tmp_path / "sana")
    official.scheduler = own
    usual = opened_at(tmp_path / "sana", tmp_path, size=32)
    codes = usual.prior.codes(0, 0, 2)
    euler = opened_at(tmp_path / "sana", tmp_path, size=32, solver="euler")
    assert euler._pipeline.made.scheduler.config.shift == 3.0
    stored = opened_at(saved("sana")[0], tmp_path, size=32)
    assert np.array_equal(euler.images(codes), stored.images(codes))
    assert usual.images(codes).shape == (2, 3, 32, 32)


def test_a_safety_checker_is_switched_off_and_named(folder: Path, tmp_path: Path) -> None:
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    changed(folder, "model_index.json", safety_checker=checker)
    generator = opened_at(folder, tmp_path)
    assert generator._pipeline.made.safety_checker is None
    assert any("safety checker is switched off" in one for one in generator.caveats)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("model_index.json", {"unet": ["os", "system"]}, "unet in .* must be UNet2DConditionModel"),
        (
            "model_index.json",
            {"tokenizer": "x"},
            "tokenizer in .* must be CLIP.* got x",
        ),
        ("model_index.json", {"_class_name": "ShapEPipeline"}, "pipeline in .* got ShapEPipeline"),
        ("text_encoder/config.json", {"quantization_config": {}}, "got .*quantised weights"),
        ("text_encoder/config.json", {"num_hidden_layers": 10**6}, "got .*1000000 blocks"),
        ("text_encoder/config.json", {"hidden_size": 4}, "must be a whole CLIPTextModel"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**9}, "must be 1 to 100,000"),
        ("unet/config.json", {"cross_attention_dim": 8}, "must be a whole UNet2DConditionModel"),
    ],
)
def test_hostile_folders_are_refused(
    folder: Path, tmp_path: Path, file: str, values: dict[str, object], message: str
) -> None:
    changed(folder, file, **values)
    with pytest.raises(FileFormatError, match=message):
        opened_at(folder, tmp_path)


def test_pickles_and_adapters_are_refused(folder: Path, tmp_path: Path) -> None:
    adapter = folder / "text_encoder" / "adapter_config.json"
    adapter.write_text("{}")
    with pytest.raises(FileFormatError, match="an adapter, whose base would be downloaded"):
        opened_at(folder, tmp_path)
    adapter.unlink()
    weights = folder / "text_encoder" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(FileFormatError, match=r"text encoder in .* got .*weights of none"):
        opened_at(folder, tmp_path)
