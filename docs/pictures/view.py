"""Makes the pictures of the viewer. Needs Chromium.

    python docs/pictures/view.py RUNS NAME OTHER PAIRS AUDIT

RUNS is a folder of runs, NAME one of them, and OTHER one to compare with it. Draws and a task are
added to NAME, and a run under way to RUNS. PAIRS is an audit of super-resolution in RUNS, and AUDIT
one of a classifier.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from equipoise.report.pdf import find_browser

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1200, 860
COMMAND = [sys.executable, "-c", "from equipoise.cli import main; main()"]


def main(runs: str, name: str, other: str, pairs: str, audit: str) -> None:
    """Serve runs, and take the pictures."""
    with browsing(runs) as (page, address):
        use(page, address, name)
        read(page, address, name, other, pairs, audit)
        watch(page, address, Path(runs))
    for picture in HERE.glob("view-*.png"):
        Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)


@contextmanager
def browsing(runs: str) -> Iterator[tuple[Page, str]]:
    """Serve runs, and give a page of a browser and the address of the server."""
    command = [*COMMAND, "view", runs, "--port", "0", "--no-browser"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as p,
    ):
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[1]
            browser = p.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            yield browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}), address
            browser.close()
        finally:
            server.terminate()


def use(page: Page, address: str, name: str) -> None:
    """Steer, draw, open a picture, and label."""
    page.goto(f"{address}steer/{name}")
    page.locator("#brings tbody tr").first.wait_for()
    page.locator("#presets button", has_text="75%").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.locator("#after").wait_for(timeout=120_000)
    page.screenshot(path=HERE / "view-steer.png", full_page=True)
    page.locator("#images button").nth(3).click()
    page.locator("#around .strip").nth(2).wait_for(timeout=120_000)
    page.locator("#picture").screenshot(path=HERE / "view-picture.png")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Uniform").click()
    page.get_by_role("radio", name="one-shot").check()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("60 of 60 images: done").wait_for(timeout=120_000)
    page.get_by_role("button", name="Let people label these").click()
    page.locator("#rater").fill("anna")
    page.get_by_role("button", name="Begin").click()
    page.locator("#count", has_text="0 of").wait_for()
    for done in range(1, 5):
        page.keyboard.press("1")
        page.locator("#count", has_text=f"{done} of").wait_for()
    page.screenshot(path=HERE / "view-label.png")


def read(page: Page, address: str, name: str, other: str, pairs: str, audit: str) -> None:
    """Take the pages that are read."""
    for path, shot in (
        ("", "list"),
        (f"runs/{name}", "run"),
        (f"compare?run={name}&run={other}", "compare"),
        (f"runs/{audit}", "audit"),
    ):
        page.goto(address + path)
        page.screenshot(path=HERE / f"view-{shot}.png")
    page.goto(f"{address}runs/{pairs}")
    page.locator(".pairs").first.scroll_into_view_if_needed()
    page.screenshot(path=HERE / "view-pairs.png")


def watch(page: Page, address: str, runs: Path) -> None:
    """Begin a run of the pinned generator, and take its page while it is under way."""
    command = [*COMMAND, "balance", "--attributes", "smiling,skin_tone", "--workers", "1"]
    with subprocess.Popen([*command, "--out", str(runs / "under-way")]) as run:
        try:
            while not (runs / "under-way" / "labels").is_dir():
                assert run.poll() is None
                time.sleep(0.1)
            page.goto(f"{address}runs/under-way")
            page.locator("progress").wait_for(timeout=120_000)
            page.screenshot(path=HERE / "view-under-way.png")
        finally:
            run.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
