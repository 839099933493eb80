#!/usr/bin/env python3
"""Shows pages of `kaem report` in a headless Chromium, wide and narrow, light and dark: no error may stand in the console, every
chart must have a line, and nothing may be wider than the window. usage: check_report.py [--pictures FOLDER] PAGE.html..."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SIZES = [(1400, 1800), (390, 1800)]
THEMES = ["light", "dark"]
# What the page is asked once it is drawn; it leaves the answer in an attribute.
QUESTION = """<script>
addEventListener('load', () => {
  const charts = [...document.querySelectorAll('figure svg')];
  document.documentElement.dataset.answer = JSON.stringify({
    sections: document.querySelectorAll('section').length, charts: charts.length,
    empty: charts.filter(c => !c.querySelector('polyline, rect')).length,
    wide: document.documentElement.scrollWidth, window: innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
    missing: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
    words: /undefined|NaN|\\[object/.test(document.body.innerText)});
});
</script></body>"""


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    sys.exit("check_report: Chromium was not found (make check-report installs it)")


def show(page, size, theme, picture=None):
    command = [browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
               f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}" if picture else "--dump-dom", f"file://{page}#{theme}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def check(page, pictures):
    faults, backgrounds = [], set()
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "page.html")
        with open(page, encoding="utf-8") as file:
            text = file.read()
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text.replace("</body>", QUESTION))
        for size in SIZES:
            for theme in THEMES:
                where = f"{page}, {size[0]} pixels, {theme}"
                dom, console = show(copy, size, theme)
                faults += [f"{where}: {line}" for line in console]
                found = re.search(r'data-answer="([^"]*)"', dom)
                if not found:
                    faults.append(f"{where}: the page was not drawn")
                    continue
                answer = json.loads(found.group(1).replace("&quot;", '"'))
                backgrounds.add(answer["background"])
                for name, wrong in [("has no sections", answer["sections"] < 3), ("has no chart", answer["charts"] < 1),
                                    (f"{answer['empty']} charts are empty", answer["empty"] > 0), (f"{answer['missing']} pictures are missing", answer["missing"] > 0),
                                    (f"is {answer['wide']} pixels wide", answer["wide"] > answer["window"]), ("shows undefined or NaN", answer["words"])]:
                    if wrong:
                        faults.append(f"{where}: {name}")
                if pictures:
                    name = f"{os.path.splitext(os.path.basename(page))[0]}_{size[0]}_{theme}.png"
                    show(page, size, theme, os.path.join(pictures, name))
    if len(backgrounds) < 2:
        faults.append(f"{page}: both themes look alike: {backgrounds}")
    return faults


def main(arguments):
    pictures = None
    if arguments[:1] == ["--pictures"]:
        pictures, arguments = os.path.abspath(arguments[1]), arguments[2:]
        os.makedirs(pictures, exist_ok=True)
    if not arguments:
        sys.exit(__doc__)
    faults = [fault for page in arguments for fault in check(os.path.abspath(page), pictures)]
    for fault in faults:
        print("check_report:", fault)
    print(f"check_report: {len(arguments)} pages in {len(SIZES) * len(THEMES)} windows each, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
