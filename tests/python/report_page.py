"""A page of mpira report as tests read it: strictly, and by headless Chromium."""
import json
import re
import subprocess
from html.parser import HTMLParser

import html5lib

MOST_BYTES = 8_000_000
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Tags balanced, ids unique; collects texts of tables, figures, scripts and everything that could be fetched."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.scripts, self.handlers = [], [], [], [], []
        self.tables, self.text, self.figures, self.tags = [], "", 0, []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(self.ids) == len(set(self.ids)), "an id twice"

    def handle_starttag(self, tag, attributes):
        self.note(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert "svg" in self.open, f"<{tag}/> outside SVG"
        self.note(tag, attributes)

    def note(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.links.append(value)
            if name.startswith("on"):
                self.handlers.append((tag, name))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "script":
            self.scripts.append([dict(attributes).get("type"), ""])
        self.figures += tag == "figure"

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data
        elif self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif self.open and self.open[-1] != "style":
            self.text += data


def read_page(file):
    text = file.read_text()
    assert file.stat().st_size < MOST_BYTES, file.stat().st_size
    page = Page(text)
    assert not page.handlers, page.handlers
    fetched = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert not fetched, f"the page would fetch {fetched}"
    ours = [script for kind, script in page.scripts if kind is None]
    data = [json.loads(script) for kind, script in page.scripts if kind == "application/json"]
    assert len(ours) == 2 and len(data) == page.figures > 0, (len(ours), len(data), page.figures)
    assert text.count("<svg class=\"static\"") == page.figures
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style and "@import" not in style
    # Its letter by letter reading of plotly.js would take minutes; html.parser above has read that.
    strict = text
    for script in ours:
        strict = strict.replace(script, "")
    html5lib.HTMLParser(strict=True).parse(strict)
    return page, data


def open_in(browser, folder, file, width, theme, what):
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/browser",
         f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}", f"--window-size={width},16000",
         "--virtual-time-budget=20000", "--enable-logging=stderr", what, file.as_uri()],
        capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr
