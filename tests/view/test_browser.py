"""The pages in a real browser: steer and draw, label by keys, audits, dark mode, print, axe.

Not applicable where Playwright, Chromium or npm is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import balance
from equipoise.report.pdf import installed_browser
from tests.view.conftest import SETTINGS

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="not applicable: Playwright is not installed"
)
CHROMIUM = installed_browser()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HERE = Path(__file__).parent
AXE = HERE / "node_modules/axe-core/axe.min.js"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="not applicable: Chromium is not installed"),
]


@dataclass
class Site:
    """A server over a folder of runs, and a browser."""

    address: str
    runs: Path
    browser: Any
    faults: list[str] = field(default_factory=list)

    def open(self, path: str, **options: Any) -> Any:
        """Open a page; errors of its console, and requests to other hosts, are faults."""
        page = self.browser.new_context(**options).new_page()
        page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda sent: self._own(sent.url))
        page.goto(self.address + path)
        return page

    def _own(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.faults.append(f"asks {url}")


@pytest.fixture(scope="module")
def audit(
    finished: Path, tmp_path_factory: pytest.TempPathFactory, cli: Callable[..., Any]
) -> Path:
    """Two audits, in one folder."""
    folder: Path = tmp_path_factory.mktemp("audits")
    sampler = str(finished / "sampler.safetensors")
    model = ("--model", "pinned:skin_tone", "--attribute", "skin_tone", "--n", "60")
    pairs = ("--pairs", "smiling", "--pairs-n", "20")
    cli("audit", "classifier", sampler, *model, *pairs, "--out", str(folder / "tones"))
    cli(
        "audit", "superres", sampler, "--model", "bicubic", "--n", "36", "--out", str(folder / "up")
    )
    return folder


@pytest.fixture(scope="module")
def site(finished: Path, audit: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    import uvicorn

    from equipoise.view.server import _bind, make_app

    runs = tmp_path_factory.mktemp("site") / "runs"
    shutil.copytree(finished, runs / "faces")
    shutil.copytree(audit, runs / "audits")
    bound = _bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(runs), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Site(f"http://127.0.0.1:{bound.getsockname()[1]}", runs, browser)
        browser.close()
    server.should_exit = True
    thread.join(10)


@pytest.fixture(autouse=True)
def no_fault(site: Site) -> Iterator[None]:
    """No error on any console, and no request to another host."""
    site.faults.clear()
    yield
    assert site.faults == []


def test_steer_and_draw_exact_counts(site: Site) -> None:
    page = site.open("/")
    page.get_by_role("link", name="faces").click()
    page.get_by_role("link", name="Steer and draw").click()
    page.locator("#brings tbody tr").nth(5).wait_for()
    page.get_by_role("button", name="75% smiling=yes").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.locator("#drawn", has_text="60 of 60 images: done").wait_for()
    counts = {
        row.locator("td").nth(0).inner_text(): int(row.locator("td").nth(2).inner_text())
        for row in page.locator("#counts tbody tr").all()
    }
    assert sorted(counts.values()) == [5, 5, 5, 15, 15, 15]
    assert sum(n for cell, n in counts.items() if "smiling=yes" in cell) == 45
    assert page.locator("#images .miss").count() == 0
    page.locator("#images button").nth(7).click()
    facts = page.locator("#picture dl").inner_text()
    assert "seed" in facts
    assert "P(smiling=yes)" in facts
    page.get_by_role("heading", name="Moved along smiling").wait_for()
    assert page.locator("#around .strip").first.locator("img").count() == 6
    page.get_by_role("button", name="Close").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="npz").click()
    assert Path(saved.value.path()).stat().st_size > 1000
    page.locator("summary", has_text="repeat this draw").click()
    assert "--n 60 --seed 0 --verified" in page.locator("#command-drawn").inner_text()
    page.locator("summary", has_text="of what is set now").click()
    assert "equipoise steer" in page.locator("#command").inner_text()


def test_a_second_draw_can_be_stopped(site: Site) -> None:
    page = site.open("/steer/faces")
    page.locator("#brings tbody tr").nth(5).wait_for()
    page.locator("#n").fill("1900")
    page.get_by_role("button", name="Draw", exact=True).click()
    stop = page.get_by_role("button", name="Stop")
    page.locator("#stop:enabled").wait_for()
    page.locator("#seed").fill("5")
    page.get_by_role("button", name="Draw", exact=True).click()
    page.locator("#command-drawn", has_text="--seed 5").wait_for(state="attached")
    page.locator("#images button").first.wait_for()
    assert stop.is_enabled()
    stop.click()
    page.locator("#drawn", has_text="stopped").wait_for()
    assert page.locator("#zip").is_visible()
    assert not page.locator("#npz").is_visible()
    page.locator("#seed").fill("6")
    page.locator("#command", has_text="--seed 6").wait_for(state="attached")
    assert "--seed 5" in page.locator("#command-drawn").text_content()
    for one in page.request.get(f"{site.address}/api/runs/faces/draws").json():
        page.request.delete(f"{site.address}/api/runs/faces/draws/{one['draw']}")


def test_what_is_chosen_outlives_that_the_list_is_asked_for_again(site: Site) -> None:
    shutil.copytree(site.runs / "faces", site.runs / "more" / "a b", dirs_exist_ok=True)
    page = site.open("/")
    page.get_by_label("compare more/a b").check()
    with page.expect_response(lambda answer: "offset=0" in answer.url, timeout=10_000):
        page.get_by_label("compare faces").check()
    page.wait_for_timeout(300)
    assert page.get_by_label("compare more/a b").is_checked()
    assert page.get_by_label("compare faces").is_checked()
    assert page.get_by_role("checkbox").count() == 2
    page.get_by_role("button", name="Compare chosen runs").click()
    page.get_by_role("link", name="more/a b").first.wait_for()
    shutil.rmtree(site.runs / "more")


def test_sliders_answer_while_they_move(site: Site) -> None:
    page = site.open("/steer/faces")
    page.locator("#brings tbody tr").nth(5).wait_for()
    slider = page.get_by_role("slider", name="smiling yes")
    slider.press("End")
    page.get_by_text("67%").first.wait_for()
    page.get_by_role("radio", name="by cell").check()
    assert page.get_by_role("slider").count() == 6
    page.get_by_role("button", name="As the generator").click()
    page.locator("#said", has_text="draws").wait_for()


def test_label_by_keys_over_a_reload(site: Site) -> None:
    page = site.open("/steer/faces")
    page.locator("#brings tbody tr").nth(5).wait_for()
    page.get_by_role("radio", name="one-shot").check()
    page.locator("#n").fill("80")
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_role("button", name="Let people label these").click()
    page.locator("#rater").fill("anna")
    # A click before the task is there would be lost, so the button waits for it.
    assert 'id="begin" disabled' in page.request.get(page.url).text()
    page.get_by_role("button", name="Begin").click()

    def press(key: str, done: int) -> None:
        page.keyboard.press(key)
        page.locator("#count", has_text=f"{done} of").wait_for()

    page.locator("#count", has_text="0 of").wait_for()
    assert page.locator("#levels .swatch").count() == 0
    for i in range(10):
        press("12"[i % 2], i + 1)
        tones = page.locator("#levels .swatch").count()
        assert tones == (0, 3)[(i + 1) % 2]
    page.reload()
    page.locator("#count", has_text="10 of").wait_for()
    press("u", 9)
    press("s", 10)
    for i in range(10, 20):
        press("1", i + 1)
    page.locator("summary", has_text="Label Studio").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Tasks and answers").click()
    exported = Path(saved.value.path()).read_text().replace('"anna"', '"ben"')
    page.locator("#answers").set_input_files(
        {"name": "a.json", "mimeType": "application/json", "buffer": exported.encode()}
    )
    page.locator("#uploaded", has_text="Answers of ben are in.").wait_for()
    page.get_by_role("cell", name="ben").wait_for()
    (table,) = (site.runs / "faces/tasks").rglob("anna.csv")
    filled = [row for row in table.read_text().splitlines()[1:] if row.split(",")[1]]
    assert len(filled) == 10
    assert filled[4].endswith("unknown")


def test_an_audit_is_filtered_and_prints(site: Site) -> None:
    page = site.open("/runs/audits/tones")
    rows = page.locator("td.passed")
    shown = rows.first
    assert shown.is_visible()
    page.get_by_label("passed (").uncheck()
    assert not shown.is_visible()
    assert page.pdf()[:4] == b"%PDF"


def test_a_pair_is_cut_by_keys_and_pairs_are_filtered_by_outcome(site: Site) -> None:
    page = site.open("/runs/audits/up")
    part = page.locator(".pairs").first
    slider = part.get_by_role("slider")
    slider.press("Home")
    assert "0% original, 100% restored" in slider.get_attribute("aria-valuetext")
    assert "inset(0px 0px 0px 0%)" in part.locator(".layer").nth(1).get_attribute("style")
    part.get_by_role("button").last.click()
    assert part.get_by_role("status").inner_text().startswith("Image 6 of 6")
    stays = page.get_by_label("✔ stays (")
    own = page.get_by_role("button", name="✔ stays")
    assert own.count() > 0
    stays.uncheck()
    assert own.count() == 0
    context = site.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(site.address + "/runs/audits/up")
    assert plain.locator("figure[data-became] img").first.is_visible()
    assert "From left to right" in plain.inner_text("main")
    context.close()


def test_the_same_face_at_two_levels_is_cut_by_keys(site: Site) -> None:
    page = site.open("/runs/audits/tones")
    part = page.locator("figure[data-pairs] .pairs").first
    part.wait_for()
    slider = part.get_by_role("slider")
    slider.press("End")
    said = slider.get_attribute("aria-valuetext")
    assert said.startswith("100% ")
    figure = page.locator("figure[data-pairs]").first
    assert part.get_by_role("button").count() == int(figure.get_attribute("data-pairs"))
    assert not figure.locator("img").is_visible()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists() and shutil.which("npm"):
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=HERE, capture_output=True, timeout=120, check=False)
    if not AXE.exists():
        pytest.skip("not applicable: axe-core is not installed")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [360, 1600])
def test_pages_are_accessible_and_fit(site: Site, axe: str, width: int) -> None:
    """All rules in the light; in the dark the rule of contrast, for nothing but colours changes."""
    task = next(iter(sorted((site.runs / "faces/tasks").glob("*"))), None)
    paths = ["/", "/runs/faces", "/steer/faces", "/compare?run=faces", "/runs/audits/tones"]
    paths += ["/runs/audits/up"] + ([f"/runs/faces/tasks/{task.name}"] if task else [])
    for path in paths:
        size = {"width": width, "height": 800}
        page = site.open(path, color_scheme="light", viewport=size)
        if path.startswith("/steer"):
            page.locator("#brings tbody tr").nth(5).wait_for()
        if path.endswith("/up"):
            page.locator(".pairs").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.evaluate(axe)
        found = page.evaluate("axe.run().then((r) => r.violations)")
        page.emulate_media(color_scheme="dark")
        found += page.evaluate("axe.run({runOnly: 'color-contrast'}).then((r) => r.violations)")
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        page.context.close()


class Held(ToyGenerator):
    """A toy that waits after some images until it is let go."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.go = after, threading.Event()

    def images(self, codes: np.ndarray) -> np.ndarray:
        self.left -= len(codes)
        assert self.left >= 0 or self.go.wait(60)
        return super().images(codes)


def test_a_run_under_way_shows_pictures_and_progress_and_becomes_its_report(site: Site) -> None:
    held = Held(4 + 12 + 2048)  # A check of it, the first row of pictures, and a shard of labels.
    settings = replace(SETTINGS, method="shift", n=3000, workers=1)
    running = threading.Thread(
        target=balance, args=(settings, site.runs / "new"), kwargs={"generator": held}
    )
    running.start()
    try:
        page = site.open("/")
        page.get_by_role("link", name="new").click()
        page.get_by_text("Under way").wait_for()
        page.get_by_text("labels: 2,048 of 3,000 images").wait_for()
        assert page.get_by_role("progressbar").get_attribute("value") == "2048"
        sheet = page.get_by_role("img", name="The generator's own images")
        assert sheet.evaluate("image => image.decode().then(() => image.naturalWidth)") > 12 * 32
        assert not (site.runs / "new" / "record.json").exists()
    finally:
        held.go.set()
        running.join()
    page.get_by_role("heading", name="Shares of the cells").wait_for()
