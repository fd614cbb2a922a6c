"""One browser, and reports that the binary writes over corpora of known figures."""

import os
import pathlib
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright

import corpus

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PARABLE_BIN", str(ROOT / "target/debug/parable"))
# Every way into a page that a corpus could try: markup, attributes, URLs, comments, escapes, templates.
HOSTILE = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=\"window.hit=1\">",
    "<svg/onload=window.hit=1>",
    "\"><iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "javascript:window.hit=1//",
    "<!--<script>",
    "]]><![CDATA[<b onmouseover=window.hit=1>",
    "{{script}}{{data}}${window.hit=1}",
    "\u2028\u2029\u0000&lt;script&gt;window.hit=1&lt;/script&gt;",
    "<style>*{display:none}</style><base href='http://203.0.113.7/'><meta http-equiv=refresh content='0;http://203.0.113.7/'>",
    "<link rel=stylesheet href=http://203.0.113.7/x.css>",
    "\u202e\U000e0001\ufeff<a href='http://203.0.113.7/' autofocus onfocus=window.hit=1>",
]


def parable(*arguments, status=(0,)):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode in status, f"{arguments}: {done.returncode}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def audits(tmp_path_factory):
    """name → (report, audit.json): a plain corpus, a hostile one and an empty one."""
    made = {}
    for name, options in {"plain": {}, "hostile": {"count": 900, "hostile": HOSTILE}, "other": {"count": 2500}}.items():
        folder = corpus.write(tmp_path_factory.mktemp(name), **options)
        report, figures = folder / "report.html", folder / "audit.json"
        parable("audit", folder / "attributes", "-o", report, "--json", figures, "--documents", folder / "documents", "-q")
        made[name] = (report, figures)
    empty = tmp_path_factory.mktemp("empty")
    (empty / "none.jsonl").write_text("")
    report, figures = empty / "report.html", empty / "audit.json"
    parable("audit", empty / "none.jsonl", "-o", report, "--json", figures, "-q", status=(1,))
    made["empty"] = (report, figures)
    return made


@pytest.fixture(scope="session")
def comparison(audits, tmp_path_factory):
    report = tmp_path_factory.mktemp("compare") / "compare.html"
    parable("compare", audits["plain"][1], audits["other"][1], "-o", report, "-q")
    return report


@pytest.fixture(scope="session")
def browser():
    program = os.environ.get("PARABLE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium: ./run-tests installs it"
    with sync_playwright() as playwright:
        # Inside containers Chromium's own sandbox cannot be set up; the pages are ours.
        one = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def visit(browser):
    """Opens a page from disk. When the test ends, the page must have asked for nothing and complained of nothing."""
    pages = []

    def open_(path, **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (page.said.append("dialog: " + dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        pages.append((page, path.as_uri()))
        return page

    yield open_
    for page, address in pages:
        page.wait_for_timeout(50)
        assert [url for url in page.asked if url != address] == [], "the page asked for something"
        assert page.said == [], "the page complained"
        page.context.close()
