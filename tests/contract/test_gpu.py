"""Every model computes on a GPU what it computes on the CPU, where there is one.

EQUIPOISE_TEST_DEVICE names another device than "cuda".
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.classifiers import open_classifier, open_panel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.errors import InputError
from equipoise.core.progress import Execution
from equipoise.engines import Processes
from equipoise.generators import Generator, open_generator
from equipoise.generators.base import Staged, generate
from equipoise.labelling.collect import collect
from equipoise.runtimes.devices import check_device
from tests.builders.generators import KINDS, address
from tests.classifiers.local.conftest import save_gender, save_scripted
from tests.classifiers.test_clip import stubbed

DEVICE = os.environ.get("EQUIPOISE_TEST_DEVICE", "cuda")


def missing() -> bool:
    try:
        check_device(DEVICE)
    except InputError:
        return True
    return False


pytestmark = [
    pytest.mark.skipif(missing(), reason=f"this machine has no device {DEVICE}"),
    pytest.mark.real,
]

N = 32


@pytest.fixture(scope="module", params=[k for k in KINDS if not k.startswith("toy")])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Generator, Generator]:
    """One generator on the CPU and on the device."""
    name = address(request.param, tmp_path_factory.mktemp("generator"))
    if name.startswith("tests."):
        pytest.skip("whoever makes a generator object chooses its device")
    if name.startswith("onnx:"):
        from equipoise.runtimes.onnx import computes_on

        if not computes_on(DEVICE):
            pytest.skip("this build of ONNX Runtime does not compute there")
    return open_generator(name), open_generator(name, device=DEVICE)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(np.int16) - other.astype(np.int16))


def test_images_are_those_of_the_cpu_but_for_rounding(both: tuple[Generator, Generator]) -> None:
    """Which moves a pixel by one step of 255 at most."""
    cpu, gpu = both
    assert (gpu.digest, gpu.image_shape) == (cpu.digest, cpu.image_shape)
    codes = cpu.prior.codes(0, 0, N)
    found = apart(cpu.images(codes), gpu.images(codes))
    assert found.max() <= 1
    assert (found > 0).mean() < 0.01
    assert np.allclose(cpu.stem(codes), gpu.stem(codes), atol=1e-3)


def test_images_are_the_same_each_time(both: tuple[Generator, Generator]) -> None:
    codes = both[1].prior.codes(1, 0, N)
    assert np.array_equal(both[1].images(codes), both[1].images(codes))


def test_a_stage_is_carried_on_to_the_byte(both: tuple[Generator, Generator]) -> None:
    gpu = both[1]
    if not isinstance(gpu, Staged) or not gpu.stage:
        pytest.skip("it has no stages")
    codes = gpu.prior.codes(0, 0, 2)
    _, states = gpu.begin(codes)
    assert np.array_equal(gpu.carry_on(states, codes, gpu.stage), gpu.images(codes))


@pytest.mark.parametrize("kind", ["TorchScript", "ONNX", "transformers", "prompts"])
def test_predictions_are_those_of_the_cpu_but_for_rounding(kind: str, tmp_path: Path) -> None:
    if kind == "transformers":
        pytest.importorskip("transformers", reason="transformers is not installed")
        from tests.classifiers.test_hugging_face import save_tiny

        name = f"hf:{save_tiny(tmp_path)}"
    elif kind != "prompts":
        name = str({"TorchScript": save_scripted, "ONNX": save_gender}[kind](tmp_path))
    images = open_generator("toy").images(open_generator("toy").prior.codes(0, 0, 40))
    if kind == "prompts":
        text = "hue=warm:a red face|cold:a blue face"
        cpu, gpu = stubbed(text), stubbed(text, device=DEVICE)
    else:
        cpu, gpu = open_classifier(name), open_classifier(name, device=DEVICE)
    assert cpu.digest == gpu.digest
    for one, other in zip(cpu.predict(images), gpu.predict(images), strict=True):
        assert np.allclose(one.probabilities, other.probabilities, atol=2e-3)


@pytest.mark.skipif(DEVICE == "cpu", reason="a CPU has no memory of its own")
def test_a_batch_that_does_not_fit_is_made_in_parts(caplog: pytest.LogCaptureFixture) -> None:
    generator = open_generator("digiface-dcgan", device=DEVICE, batch_size=8192)
    codes = generator.prior.codes(0, 0, 8192)
    whole = generate(generator, codes)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.5 * 2**30 / total)
    try:
        parts = generate(generator, codes)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "too small for 8192 images of digiface-dcgan at once" in caplog.text
    assert apart(whole, parts).max() <= 2


@pytest.mark.skipif(DEVICE == "cpu", reason="labels of one device")
def test_labels_are_gone_on_with_on_the_same_type_of_device_alone(tmp_path: Path) -> None:
    def models(device: str) -> Models:
        names = ("digiface-dcgan", ("skin_tone",), (), 0.0, device, None)
        return ModelAddresses(*names).open()

    first = collect(models("cuda"), 5000, 0, tmp_path / "a")
    assert first.computed == 5000
    assert collect(models("cuda:0"), 5000, 0, tmp_path / "a").computed == 0
    with pytest.raises(InputError, match="device: cuda"):
        collect(models("cpu"), 5000, 0, tmp_path / "a")
    # Two processes that share the card write the same bytes.
    shared = Execution(engine=Processes(2, gpus_per_worker=0.5))
    collect(models("cuda"), 5000, 0, tmp_path / "b", execution=shared)
    for name in ("labels-00000.parquet", "labels-00002.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_pinned_classifiers_label_images_of_a_generator_on_it() -> None:
    generator = open_generator("digiface-dcgan", device=DEVICE)
    images = generator.images(generator.prior.codes(0, 0, 64))
    assert len(open_panel(["gender", "skin_tone"], generator).predict(images)) == 64
