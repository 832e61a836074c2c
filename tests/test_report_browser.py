"""The pages in a real browser: no errors, nothing loaded, usable by keyboard, three widths, light, dark, on paper."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from assessments import assessment
from conftest import absent

from defaceqa.report import draw_scan
from defaceqa.report.group import group_page
from defaceqa.report.scan import scan_page
from defaceqa.report.scans import ScanRow

WIDTHS = (390, 820, 1280)
BAD_NAME = "<script>document.title='owned'<script><img src=x onerror=alert(1)>.nii.gz"
MANY = 1000


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    program = os.environ.get("DEFACEQA_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        absent("needs Chromium: apt-get install chromium, or name it in DEFACEQA_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; at the end complain of every console message, error, dialog and request that left the folder."""
    complaints, contexts = [], []

    def open_page(html, *, width=1280, scheme="light"):
        file = tmp_path / "page.html"
        file.write_text(html)
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if foreign(request.url) else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def foreign(url):
    return not url.startswith(("file:", "data:"))


def scan(kind="pass", *, with_faces=False, **how):
    found = assessment(kind, **how)
    return scan_page(found.as_dict(), found.features.evidence, with_faces=with_faces)


@pytest.fixture(scope="module")
def records():
    return {kind: assessment(kind).as_dict() for kind in ("pass", "fail", "review")}


@pytest.fixture(scope="module")
def group(records, tmp_path_factory):
    rows = []
    for number in range(MANY):
        kind = ("pass", "fail", "pass", "review")[number % 4]
        record = records[kind] | {"method": ("plate", "shear")[number % 2 if number % 5 else 0]}
        rows.append(ScanRow(f"sub-{number:04d}_T1w", {"site": ("Leipzig", "Dresden")[number % 3 == 0]}, record))
    return group_page(rows, tmp_path_factory.mktemp("group"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_scan_page_fits_every_width(opened, width, scheme):
    page = opened(scan("fail", with_faces=True), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.inner_text(".banner .word").lower() == "fail"
    assert all(page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)"))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_group_page_fits_every_width(opened, group, width):
    page = opened(group, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_differ_and_both_can_be_read(opened):
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(scan(), scheme=scheme)
        colours = page.evaluate(
            "['.answered', '.lead', '.note', '.badge', '.value'].map(which => {"
            " const e = document.querySelector(which);"
            " let g = e; while (getComputedStyle(g).backgroundColor === 'rgba(0, 0, 0, 0)') g = g.parentElement;"
            " return [getComputedStyle(e).color, getComputedStyle(g).backgroundColor] })"
        )
        assert all(contrast(*pair) >= 4.5 for pair in colours), colours
        grounds.append(colours[0][1])
    assert grounds[0] != grounds[1]


def contrast(first, second):
    """Contrast ratio of the Web Content Accessibility Guidelines."""
    lights = []
    for colour in (first, second):
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_a_page_prints(opened):
    assert opened(scan()).pdf().startswith(b"%PDF")


def test_every_picture_has_words_and_every_table_its_headings(opened, group):
    for html in (scan("fail", with_faces=True), group):
        page = opened(html)
        assert page.evaluate("[...document.images].every(image => image.alt.length > 5)")
        assert page.evaluate("[...document.querySelectorAll('svg[role=img]')].every(e => e.ariaLabel.length > 5)")
        assert page.evaluate("[...document.querySelectorAll('table')].every(e => e.querySelector('thead th'))")
        assert page.evaluate("document.querySelectorAll('h1').length") == 1
        assert page.evaluate("document.documentElement.lang") == "en"


def test_a_bad_file_name_is_shown_as_text(opened, tmp_path):
    page = opened(scan(name=BAD_NAME, method=BAD_NAME))
    assert page.inner_text("h1") == BAD_NAME
    assert page.title().endswith("DefaceQA")
    record = assessment("fail", method=BAD_NAME).as_dict()
    listed = opened(group_page([ScanRow(BAD_NAME, {"error": BAD_NAME}, None), ScanRow("b", {}, record)], tmp_path))
    assert BAD_NAME in listed.inner_text("#queue-list")
    assert BAD_NAME in listed.text_content("#plot")
    assert listed.title().endswith("DefaceQA")


def test_flicker_and_slider_work_by_keyboard(opened):
    page = opened(scan("fail", with_faces=True))
    original = page.locator(".of-original").first
    page.focus("[data-mode=flicker]")
    page.keyboard.press("Enter")
    seen = {original.is_visible()}
    page.wait_for_selector("#compare.first", timeout=5000)
    seen.add(original.is_visible())
    assert seen == {True, False}
    page.focus("[data-mode=slide]")
    page.keyboard.press("Space")
    slider = page.locator(".slider input").first
    slider.focus()
    before = page.locator(".of-original img").first.evaluate("image => getComputedStyle(image).clipPath")
    page.keyboard.press("End")
    after = page.locator(".of-original img").first.evaluate("image => getComputedStyle(image).clipPath")
    assert slider.input_value() == "100"
    assert before != after
    page.click("[data-mode=side]")
    assert page.locator(".of-original").first.is_visible()
    assert page.locator(".of-defaced").first.is_visible()


def test_dragging_moves_the_edge_between_original_and_defaced(opened):
    page = opened(scan("fail", with_faces=True))
    page.click("[data-mode=slide]")
    stack = page.locator(".stack").first
    stack.scroll_into_view_if_needed()
    box = stack.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    page.mouse.up()
    assert page.locator(".slider input").first.input_value() == "20"


def test_a_thousand_scans_are_there_at_first_sight(opened, group):
    page = opened(group)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert painted < 3000
    assert ready < 6000
    assert page.locator(".card").count() == MANY
    assert page.locator("#scans tbody tr").count() == MANY


def test_filters_hide_rows_cards_and_marks_alike(opened, group):
    page = opened(group)
    page.select_option("select[name=verdict]", "fail")
    counts = page.evaluate(
        "[[...document.querySelectorAll('#scans tbody tr')], [...document.querySelectorAll('.card')]]"
        ".map(all => all.filter(e => !e.hidden).length).concat(document.querySelectorAll('#plot a').length)"
    )
    assert counts == [250, 250, 250]
    assert page.inner_text("#found") == "250 of 1000 scans"
    page.select_option("select[name=method]", "plate")
    page.fill("input[name=text]", "sub-0005 dresden")
    assert page.inner_text("#found") == "0 of 1000 scans"
    page.click("button[type=reset]")
    page.locator("#found", has_text=re.compile("^1000 scans$")).wait_for()
    page.locator("[data-only=review]").focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#found") == "250 of 1000 scans"


def test_columns_sort_both_ways_by_keyboard(opened, group):
    page = opened(group)
    first = "document.querySelector('#scans tbody th').textContent"
    head = page.locator("#scans thead th", has_text="Scan").first
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(first) == "sub-0000_T1w"
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert page.evaluate(first) == "sub-0999_T1w"
    page.locator("#scans thead th", has_text="Probability").locator("button").click()
    column = page.evaluate(
        "[...document.querySelectorAll('#scans thead th')].findIndex(e => e.textContent.startsWith('Probability'))"
    )
    values = page.evaluate(
        f"[...document.querySelectorAll('#scans tbody tr')].map(row => Number(row.cells[{column}].dataset.sort))"
    )
    assert values == sorted(values)


def test_marks_of_the_plot_lead_to_their_scans_by_keyboard(opened, group):
    page = opened(group)
    page.select_option("#feature", "residual_worst")
    page.focus("#plot a[tabindex='0']")
    first = page.inner_text("#read")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#read") != first
    link = page.evaluate("document.activeElement.getAttribute('href')")
    assert link == page.inner_text("#read").split(":")[0] + ".html"


def test_pictures_beside_a_group_page_are_loaded_when_they_come_into_view(opened, records, tmp_path):
    (tmp_path / "figures").mkdir()
    picture = draw_scan(assessment("pass")).picture
    rows = [ScanRow(f"sub-{number:03d}_T1w", {}, records["pass"]) for number in range(300)]
    for row in rows:
        (tmp_path / "figures" / f"{row.name}.webp").write_bytes(picture)
    page = opened(group_page(rows, tmp_path))
    loaded = "[...document.images].filter(image => image.naturalWidth > 0).length"
    assert page.evaluate(loaded) < len(rows)
    page.locator(".card img").last.scroll_into_view_if_needed()
    page.locator(".card img").last.evaluate("image => image.decode()")
    assert page.evaluate(loaded) > 0
