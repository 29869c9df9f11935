"""The dashboard in Chromium, against a real server with runs that were trained for it."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.processes import Process, environ, run_python, wait_until
from support.showing import show
from support.writing import batch, open_message, output, publish, said

pytestmark = pytest.mark.browser

# Real training, short: two networks of the demo on the digits.
TRAIN = """
import sys, runstream
from runstream.demo.digits import Network, load
data = load()
for lr in (0.02, 0.2):
    network = Network(0)
    with runstream.init(project="digits", id=f"lr-{lr}", name=f"lr {lr}", config={"lr": lr}, reinit=True) as run:
        for step in range(300):
            low = step * 32 % 1200
            loss, accuracy, gradient = network.gradient(data.train_x[low:low + 32], data.train_y[low:low + 32])
            network.step(gradient, lr)
            run.log({"train/loss": loss, "train/accuracy": accuracy, "odd": float("nan") if step == 150 else step})
        run.log({"bytes": b"no number"})
"""


@dataclass
class Site:
    """A server, and a page that must not complain."""

    url: str
    grpc: str
    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("ui")
    process = Process(["-m", "runstream", "server", "--data", str(folder / "d"), "--port", "0", "--grpc-port", "0"])
    run_python(TRAIN, environ(RUNSTREAM_BASE_URL=process.url), folder)
    yield process
    process.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the one that `playwright install chromium` brought."""
    with sync_playwright() as playwright:
        own = shutil.which("chromium") or shutil.which("google-chrome")
        started = playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site(server: Process, browser: Browser) -> Iterator[Site]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    made = Site(server.url, server.first_line.split()[-1], page)
    page.on("console", lambda message: made.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    page.close()
    assert made.complaints == []


def curves(page: Page, key: str, count: int) -> None:
    """Waits for a chart with so many curves."""
    expect(page.locator(f'.chart[data-key="{key}"][data-curves="{count}"] canvas')).to_be_visible(timeout=10_000)


def test_projects_lead_to_runs_and_runs_to_a_page(site: Site) -> None:
    site.page.goto(site.url)
    site.page.get_by_role("link", name="local/digits").click()
    expect(site.page).to_have_url(re.compile("/p/local/digits"))
    curves(site.page, "train/loss", 2)
    site.page.get_by_role("link", name="lr 0.2").click()
    expect(site.page).to_have_url(re.compile("/r/local/digits/lr-0.2"))
    curves(site.page, "train/loss", 1)
    expect(site.page.locator(".state").first).to_have_text("finished")


def test_every_key_has_a_chart_with_every_point(site: Site) -> None:
    site.page.goto(f"{site.url}/r/local/digits/lr-0.02")
    for key in ("train/loss", "train/accuracy", "odd"):
        curves(site.page, key, 1)
        assert site.page.locator(f'.chart[data-key="{key}"]').get_attribute("data-points") == "300"


def test_I7_a_value_that_is_no_number_is_marked_and_a_refusal_is_shown(site: Site) -> None:
    site.page.goto(f"{site.url}/r/local/digits/lr-0.02")
    curves(site.page, "odd", 1)
    assert site.page.locator('.chart[data-key="odd"]').get_attribute("data-odd") == "1"
    expect(site.page.locator(".refusals")).to_contain_text("NOT_A_NUMBER")
    expect(site.page.locator(".refusals")).to_contain_text("bytes")
    expect(site.page.locator(".facts")).to_contain_text("sent 901 = stored 900 + refused 1")


def test_chosen_runs_are_overlaid_and_the_choice_is_a_link(site: Site) -> None:
    site.page.goto(f"{site.url}/p/local/digits")
    curves(site.page, "train/loss", 2)
    site.page.get_by_label("show lr 0.2").uncheck()
    curves(site.page, "train/loss", 1)
    link = site.page.url
    assert "runs=lr-0.02" in link
    site.page.goto("about:blank")
    site.page.goto(link)
    curves(site.page, "train/loss", 1)
    assert not site.page.get_by_label("show lr 0.2").is_checked()


def test_a_run_is_watched_live(site: Site) -> None:
    site.page.goto(f"{site.url}/p/local/live")
    site.page.wait_for_load_state("networkidle")
    publish(site.grpc, [open_message("now", project="live"), batch(1, [(0, 1.0), (1, 2.0)])])
    curves(site.page, "a", 1)
    publish(site.grpc, [open_message("now", project="live"), batch(10, [(step, 0.5) for step in range(2, 50)])])
    drawn = site.page.locator('.chart[data-key="a"]')
    wait_until(lambda: drawn.get_attribute("data-points") == "50", what="the curve grows while it is looked at")


def test_zooming_asks_for_finer_buckets_and_a_double_click_leaves(site: Site) -> None:
    site.page.goto(f"{site.url}/r/local/digits/lr-0.2")
    curves(site.page, "train/loss", 1)
    box = site.page.locator('.chart[data-key="train/loss"] .u-over').bounding_box()
    assert box
    site.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    site.page.mouse.down()
    site.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=5)
    site.page.mouse.up()
    drawn = site.page.locator('.chart[data-key="train/loss"]')
    wait_until(lambda: 70 <= int(drawn.get_attribute("data-points") or 0) <= 80, what="a quarter of the steps is shown")
    assert "zoom=" in site.page.url
    site.page.mouse.dblclick(box["x"] + 100, box["y"] + 50)
    wait_until(lambda: drawn.get_attribute("data-points") == "300", what="all steps are back")
    assert "zoom=" not in site.page.url


@pytest.fixture(scope="module")
def everything(server: Process) -> str:
    """A run that says a bit of everything."""
    show(server.url, server.first_line.split()[-1], "shown", "all")
    return f"{server.url}/r/local/shown/all"


def pixels(page: Page, selector: str) -> int:
    """Width of a picture as it was loaded."""
    return int(page.locator(selector).first.evaluate("image => image.naturalWidth"))


def test_media_are_seen_step_by_step(site: Site, everything: str) -> None:
    site.page.goto(everything)
    site.page.get_by_role("tab", name="Media").click()
    card = site.page.locator('.card[data-key="sample"]')
    expect(card.locator("figcaption")).to_have_text("after 30 steps")
    wait_until(lambda: pixels(site.page, '.card[data-key="sample"] img') == 24, what="the picture comes from S3")
    card.locator("input").fill("1")
    expect(card.locator("figcaption")).to_have_text("after 10 steps")
    expect(site.page.locator('.card[data-key="pair"] img')).to_have_count(2)
    expect(site.page.locator('.card[data-key="note"]')).to_contain_text("Once upon a step 30")
    expect(site.page.locator('.card[data-key="weights"] rect')).to_have_count(7)
    expect(site.page.locator('.card[data-key="curve"] tbody tr')).to_have_count(10)
    frame = site.page.frame_locator('.card[data-key="page"] iframe')
    expect(frame.locator("h2")).to_have_text("A page of the run")


def test_a_table_is_read_page_by_page(site: Site, everything: str) -> None:
    site.page.goto(f"{everything}?tab=media&media=wrong")
    table = site.page.locator('.card[data-key="wrong"]')
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(table).to_contain_text("37 rows")
    for _ in range(3):
        table.get_by_label("next page").click()
    expect(table.locator("tbody tr")).to_have_count(7)
    expect(table.locator("tbody tr").last).to_contain_text("36")
    expect(table.get_by_label("next page")).to_be_disabled()


def test_output_is_seen_by_rank_searched_and_followed(site: Site, everything: str) -> None:
    site.page.goto(f"{everything}?tab=console")
    lines = site.page.locator(".output > div")
    expect(lines).to_have_count(151)
    expect(site.page.locator(".output .err")).to_have_text(re.compile("learning rate is high"))
    site.page.get_by_label("Rank", exact=True).select_option("1")
    expect(lines).to_have_count(30)
    assert "\x1b" not in (site.page.locator(".output").text_content() or "")
    site.page.get_by_label("Rank", exact=True).select_option("0")
    site.page.get_by_label("Search lines").fill("EPOCH  11")
    expect(lines).to_have_count(1)
    site.page.get_by_label("Search lines").fill("")
    more = said(output(9000, (121, "one more line")))
    publish(site.grpc, [open_message("all", project="shown"), more])
    expect(lines.last).to_have_text("one more line", timeout=10_000)


def test_files_and_facts(site: Site, everything: str) -> None:
    site.page.goto(f"{everything}?tab=files")
    expect(site.page.locator(".files tbody tr")).to_have_count(7)
    with site.page.context.expect_page() as opened:
        site.page.get_by_role("button", name="code/train.py").click()
    opened.value.close()
    site.page.get_by_role("tab", name="Overview").click()
    details = site.page.locator(".details")
    for text in ("Loss is high", "loss.min", "model.depth", "git.commit", "node-17"):
        expect(details).to_contain_text(text)


def test_a_server_that_is_gone_is_said_and_comes_back(tmp_path: Path, browser: Browser) -> None:
    arguments = ["-m", "runstream", "server", "--data", str(tmp_path / "d")]
    server = Process([*arguments, "--port", "0", "--grpc-port", "0"])
    port = server.url.rsplit(":", 1)[1]
    page = browser.new_page()
    page.goto(server.url)
    expect(page.get_by_text("No runs yet")).to_be_visible()
    server.stop()
    expect(page.locator(".banner")).to_be_visible(timeout=15_000)
    again = Process([*arguments, "--port", port, "--grpc-port", "0"])
    expect(page.locator(".banner")).to_be_hidden(timeout=15_000)
    page.close()
    again.stop()


def test_a_server_with_keys_asks_for_one(tmp_path: Path, browser: Browser) -> None:
    clickhouse = ["--clickhouse", f"chdb://{tmp_path / 'd'}"]
    made = Process(["-m", "runstream", "key", *clickhouse, "create"])
    key = made.first_line.strip()
    assert made.popen.wait(20) == 0
    made.stop()
    server = Process(["-P", "-m", "query", *clickhouse, "--host", "0.0.0.0", "--port", "0", "--grpc-port", "0"])
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.url.rsplit(':', 1)[1]}")
    field_ = page.locator("dialog input")
    expect(field_).to_be_visible()
    field_.fill(key)
    field_.press("Enter")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.close()
    server.stop()


@pytest.mark.slow
def test_the_demos_dashboard_has_its_picture_taken(tmp_path: Path, browser: Browser) -> None:
    """The README's picture: `RUNSTREAM_PICTURE=docs/dashboard.png pytest tests/ui -k picture`."""
    demo = Process(["-u", "-m", "runstream", "demo", "--port", "0", "--data", str(tmp_path / "d")], cwd=tmp_path)
    address = demo.first_line.split()[1]
    page = browser.new_page(viewport={"width": 1440, "height": 700})
    page.goto(address)
    expect(page.get_by_text("6 runs")).to_be_visible(timeout=90_000)
    expect(page.locator(".state.running")).to_have_count(0, timeout=90_000)
    curves(page, "train/loss", 6)
    time.sleep(1)  # the last refresh of the other charts
    picture = page.screenshot()
    assert len(picture) > 30_000
    Path(os.environ.get("RUNSTREAM_PICTURE", tmp_path / "dashboard.png")).write_bytes(picture)
    page.close()
    demo.stop()
