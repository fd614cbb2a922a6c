"""The reports in a real browser: offline, quiet, usable by keyboard and screen reader, and deaf to the corpus."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

import conftest

DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 800}}


def serious(page):
    found = Axe().run(page).response["violations"]
    return [f"{v['impact']} {v['id']}: {n['target']} {n.get('failureSummary', '')}" for v in found if v["impact"] in ("serious", "critical") for n in v["nodes"][:3]]


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


@pytest.mark.parametrize("options", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
@pytest.mark.parametrize("name", ["plain", "hostile", "empty"])
def test_opens_from_disk_and_axe_finds_nothing_serious(audits, visit, name, options):
    page = visit(audits[name][0], **options)
    figures = json.loads(audits[name][1].read_text())
    assert page.locator("h1").count() == 1
    assert f"{figures['totals']['documents']:,} documents" in page.locator(".lead").first.inner_text()
    assert serious(page) == []
    if name != "empty":
        page.locator("#blur").click()
        assert serious(page) == [], "with the texts shown"
    assert not re.search(r"\[object|undefined|NaN|Infinity", page.locator("body").inner_text())
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page scrolls sideways"


@pytest.mark.parametrize("options", [{}, DARK], ids=["light", "dark"])
def test_the_comparison_opens_and_axe_finds_nothing_serious(comparison, visit, options):
    page = visit(comparison, **options)
    assert "What moved" in page.locator("h1").inner_text()
    assert not re.search(r"\[object|undefined|NaN|Infinity", page.locator("body").inner_text())
    assert page.locator("#kinds table").count() == 7
    assert serious(page) == []


def test_the_headline_is_the_figure_of_the_json(audits, visit):
    figures = json.loads(audits["plain"][1].read_text())
    page = visit(audits["plain"][0])
    coercion = figures["headline"][0]
    shown = page.locator(".figure").first.inner_text()
    assert float(shown.replace("%", "")) == pytest.approx(100 * coercion["raw"]["value"], rel=0.01)
    assert f"{coercion['documents']:,} of {coercion['of']:,}" in page.locator("#overview").inner_text()


def test_sources_sort_and_filter(audits, visit):
    page = visit(audits["plain"][0])
    table = page.locator("#source-table")
    names = lambda: texts(page, "#source-table tbody th")
    assert len(names()) == 5
    head = table.get_by_role("button", name="Source", exact=True)
    head.click()
    assert names() == sorted(names()), "text sorts upwards first"
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("Source")
    head.click()
    assert names() == sorted(names(), reverse=True)
    table.get_by_role("button", name="Documents", exact=True).click()
    counts = [int(t.replace(",", "")) for t in texts(page, "#source-table tbody td:nth-child(2)")]
    assert counts == sorted(counts, reverse=True)
    page.locator("#source-filter").fill("NEW")
    assert names() == ["news"]
    assert page.locator("#source-count").inner_text() == "1 of 5 sources"


def test_figures_lead_to_examples_and_filters_hold(audits, visit):
    page = visit(audits["plain"][0])
    page.locator("#source-table").get_by_role("button", name="forum").click()
    assert page.locator("#pick-source").input_value() == "forum"
    assert page.evaluate("document.activeElement.id") == "examples-title", "the keyboard follows"
    assert all(t.startswith("forum ·") for t in texts(page, ".example > p.quiet:first-of-type"))
    page.locator("#pick-kind").select_option("doubtful")
    assert page.locator(".example").count() > 0
    for chips in texts(page, ".example"):
        assert "perhaps a false alarm" in chips
    page.get_by_role("button", name="Clear filters").click()
    everything = page.locator("#example-count").inner_text()
    page.locator("#heat td.heat button").first.click()
    assert page.locator("#pick-category").input_value() == "blackmail"
    assert page.locator("#example-count").inner_text() != everything
    page.get_by_role("button", name="Clear filters").click()
    page.locator(".chart-row", has_text="sabotage").first.click()
    assert page.locator("#pick-category").input_value() == "sabotage"
    assert all("sabotage" in chips for chips in texts(page, ".example .chips"))


def test_texts_are_blurred_until_asked(audits, visit):
    page = visit(audits["plain"][0])
    body = page.locator(".example .body").first
    blurred = lambda: "blur" in body.evaluate("node => getComputedStyle(node).filter")
    assert blurred() and body.get_attribute("aria-hidden") == "true"
    button = page.locator(".example .reveal").first
    button.focus()
    page.keyboard.press("Enter")
    assert not blurred() and body.get_attribute("aria-hidden") is None
    assert button.get_attribute("aria-expanded") == "true"
    assert "blur" in page.locator(".example .body").nth(1).evaluate("node => getComputedStyle(node).filter")
    button.click()
    assert blurred()
    page.locator("#blur").click()
    assert not blurred() and page.locator("#blur").get_attribute("aria-pressed") == "false"
    page.locator("#pick-kind").select_option("flagged")
    mark = page.locator(".example mark").first
    assert mark.inner_text().startswith("The machine told the foreman")


def test_the_threshold_explorer_counts(audits, visit):
    figures = json.loads(audits["plain"][1].read_text())
    histogram = next(h for h in figures["histograms"] if h["score"] == "coercion")["counts"]
    page = visit(audits["plain"][0])
    slider = page.locator("#explorer-threshold")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    flagged = sum(histogram[110:])
    assert page.locator("#explorer-words").inner_text().startswith(f"At 0.550: {flagged:,} of 3,000")
    page.locator("#explorer-score").select_option("admirable")
    other = next(h for h in figures["histograms"] if h["score"] == "admirable")["counts"]
    assert f"{sum(other[110:]):,} of 3,000" in page.locator("#explorer-words").inner_text()


def test_heat_maps_normalise(audits, visit):
    page = visit(audits["plain"][0])
    rows = lambda: [[int(n) for n in re.findall(r"(\d+) %", " ".join(row.locator("td").all_inner_texts()))] for row in page.locator("#heat .card").first.locator("tbody tr").all()]
    page.locator("#heat-frames").select_option("row")
    assert all(97 <= sum(row) <= 103 for row in rows())
    page.locator("#heat-frames").select_option("column")
    assert all(97 <= sum(column) <= 103 for column in zip(*rows()))


def test_dark_mode_and_keyboard(audits, visit):
    page = visit(audits["plain"][0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    paper = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = paper()
    page.locator("#theme").focus()
    page.keyboard.press("Space")
    assert paper() != light and page.locator("html").get_attribute("data-theme") == "dark"
    page.keyboard.press("Space")
    assert paper() == light
    for _ in range(60):
        page.keyboard.press("Tab")
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_print_shows_the_figures_and_no_controls(audits, visit):
    page = visit(audits["plain"][0])
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible() and not page.locator("#source-filter").is_visible()
    assert page.locator(".figure").first.is_visible()


def test_a_hostile_corpus_is_shown_and_does_nothing(audits, visit):
    report = audits["hostile"][0]
    page = visit(report)
    page.locator("#blur").click()
    for name in ["#pick-category", "#pick-frame", "#pick-source"]:
        for value in page.locator(name + " option").evaluate_all("all => all.map(o => o.value)"):
            page.locator(name).select_option(value)
        page.locator(name).select_option("")
    while page.get_by_role("button", name="More", exact=True).is_visible():
        page.get_by_role("button", name="More", exact=True).click()
    page.locator("#source-table").get_by_role("button", name="Source", exact=True).click()
    assert page.evaluate("window.hit") is None
    assert page.locator("iframe, img, base, link, object, embed, form").count() == 0
    assert page.locator("script").count() == 2 and page.locator("meta[http-equiv]").count() == 1
    assert page.evaluate("[...document.querySelectorAll('*')].every(n => ![...n.attributes].some(a => a.name.startsWith('on')))")
    assert all(h.startswith("#") for h in page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))"))
    shown = page.locator("#examples").inner_text()
    assert "<svg/onload=window.hit=1>" in shown and "</script><script>window.hit=1</script>" in shown, "texts are shown as they are"
    assert report.stat().st_size < 3_000_000


def test_without_scripts_the_headline_is_there(audits, visit):
    page = visit(audits["plain"][0], java_script_enabled=False)
    shown = page.locator("noscript").inner_text()
    coercion = json.loads(audits["plain"][1].read_text())["headline"][0]
    assert "Shares of all documents" in shown and f"{100 * coercion['raw']['value']:.4f}" in shown


# --- the human check --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def review(audits, tmp_path_factory):
    """The review page over the hostile corpus."""
    corpus, folder = audits["hostile"][0].parent, tmp_path_factory.mktemp("review")
    conftest.parable("audit", corpus / "attributes", "-o", folder / "report.html", "-q", "--documents", corpus / "documents", "--sample", 60)
    return folder


def test_answers_are_given_by_key_saved_and_read_back(review, audits, visit, tmp_path):
    page = visit(review / "review" / "review.html", accept_downloads=True)
    assert serious(page) == []
    assert page.locator("#progress").inner_text().startswith("Document 1 of 60; 0 answered")
    keys = ["y", "n", "u", "n"] * 15
    for key in keys[:-1]:
        page.keyboard.press(key)
    page.locator("#answer-no").click()
    assert "60 answered" in page.locator("#progress").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#answer-unsure").get_attribute("aria-pressed") == "true"
    with page.expect_download() as download:
        page.keyboard.press("s")
    labels = tmp_path / "labels.jsonl"
    download.value.save_as(labels)
    lines = [json.loads(line) for line in labels.read_bytes().decode().rstrip("\n").split("\n")]
    assert [line["answer"] for line in lines] == [{"y": "yes", "n": "no", "u": "unsure"}[key] for key in keys]
    assert page.evaluate("window.hit") is None and page.locator("iframe, img, base, link").count() == 0
    corpus = audits["hostile"][0].parent
    report, figures = tmp_path / "report.html", tmp_path / "audit.json"
    conftest.parable("audit", corpus / "attributes", "-o", report, "--json", figures, "-q", "--documents", corpus / "documents", "--labels", labels)
    read = json.loads(figures.read_text())["review"]
    assert (read["labelled"], read["unsure"]) == (45, 15)
    page = visit(report)
    assert "45 documents were read" in page.locator("#people").inner_text()
    assert serious(page) == []


def test_answers_outlive_the_page(review, browser):
    context = browser.new_context()
    address = (review / "review" / "review.html").as_uri()
    page = context.new_page()
    page.goto(address)
    page.keyboard.press("y")
    page.close(run_before_unload=False)
    page = context.new_page()
    page.goto(address)
    assert "1 answered" in page.locator("#progress").inner_text()
    context.close()
