#!/usr/bin/env python3
"""Checks the pages for readers: no sentence of more than 35 words, and none of the words that are no technical English here; and of
all pages that their links lead somewhere, anchors included.
usage: check_prose.py [PAGE...]     without pages those below; prints a line for each fault and exits with 1 if there is one"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.md", "docs/quick-start.md", "docs/kaem-for-vae-users.md", "docs/choosing.md", "docs/how-to.md", "docs/from-julia.md",
         "docs/troubleshooting.md", "docs/windows.md", "docs/scale.md", "docs/performance.md", "docs/reliability.md"]
LONGEST = 35
AVOIDED = re.compile(r"\b(twins?|floor|aims?|heed(?:s|ed)?|a datum|wants?|wanted)\b", re.I)


def prose(text):
    """Paragraphs of a page without code, tables, headings, pictures and addresses; an item of a list is a paragraph."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    paragraphs, current = [], []
    for line in text.splitlines() + [""]:
        bare = line.strip()
        if re.match(r"([-*+]|\d+\.)\s", bare):
            paragraphs.append(" ".join(current))
            current = [re.sub(r"^([-*+]|\d+\.)\s+", "", bare)]
        elif not bare or bare[0] in "#|>!<":
            paragraphs.append(" ".join(current))
            current = []
        else:
            current.append(bare)
    for paragraph in paragraphs + [" ".join(current)]:
        paragraph = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
        paragraph = re.sub(r"`[^`]*`", "CODE", paragraph)
        if paragraph:
            yield paragraph


def sentences(paragraph):
    return [s for s in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*(\"'0-9]|$)", paragraph) if s.strip()]


def faults(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for paragraph in prose(text):
        for sentence in sentences(paragraph):
            words = len(sentence.split())
            if words > LONGEST:
                yield f"{words} words: {sentence[:100]}..."
        for found in AVOIDED.finditer(paragraph):
            yield f"'{found.group(0)}': {paragraph[max(0, found.start() - 40):found.end() + 40]}"


def without_code(path):
    with open(path, encoding="utf-8") as file:
        return re.sub(r"^```.*?^```", "", file.read(), flags=re.M | re.S)


def anchors(path):
    """Those that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path)):
        place, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(path), place)) if place else path
        if link.startswith(("http:", "https:")):
            continue
        if not os.path.exists(target):
            yield f"the link {link} leads nowhere"
        elif anchor and target.endswith(".md") and anchor not in anchors(target):
            yield f"the link {link} names no heading"


def main(pages):
    count = 0
    for page in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs", "*.md")):
        for fault in broken_links(page):
            print(f"{os.path.relpath(page, ROOT)}: {fault}")
            count += 1
    for page in pages or [os.path.join(ROOT, page) for page in PAGES]:
        for fault in faults(page):
            print(f"{os.path.relpath(page, ROOT)}: {fault}")
            count += 1
    print(f"check_prose: {count} faults in {len(pages or PAGES)} pages")
    return count > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
