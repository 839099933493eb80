#!/usr/bin/env python3
"""Walks the Dockerfile in a bare folder without Docker: every COPY and RUN of it is done there, in order, and at the end its
entry point is called. What a COPY has not brought is not there. usage: check_dockerfile.py [FOLDER]

FROM and its image are left out: the machine's own system stands for them. --build-arg values are the file's defaults.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def instructions(text):
    """Name and rest of each instruction; lines that end in a backslash go on."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def ignored(folder, names):
    """What .dockerignore leaves out: its patterns are those of the root, not of folders below."""
    if os.path.abspath(folder) != ROOT:
        return []
    with open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8") as file:
        return shutil.ignore_patterns(*[line.strip() for line in file if line.strip()])(folder, names)


def copy(words, folder):
    *sources, target = words
    for source in sources:
        path = os.path.join(ROOT, source)
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(folder, target), dirs_exist_ok=True, ignore=ignored)
            continue
        place = os.path.join(folder, target, os.path.basename(source)) if target.endswith("/") else os.path.join(folder, target)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy2(path, place)


def walk(folder):
    values, workdir = {}, None
    with open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8") as file:
        text = file.read()
    for name, rest in instructions(text):
        if name == "FROM":
            continue
        filled = re.sub(r"\$\{(\w+)\}", lambda match: values[match.group(1)], rest)
        print(f"== {name} {filled}", flush=True)
        if name == "ARG":
            key, _, value = rest.partition("=")
            values[key] = value
        elif name == "WORKDIR":
            workdir = rest
        elif name == "COPY":
            copy(filled.split(), folder)
        elif name == "RUN":
            subprocess.run(["bash", "-euo", "pipefail", "-c", filled], cwd=folder, check=True)
        elif name == "ENTRYPOINT":
            entry = [word.replace(workdir, folder, 1) for word in json.loads(rest)]
        elif name == "CMD":
            subprocess.run(entry + ["--version"], cwd=folder, check=True)
            subprocess.run(entry + json.loads(rest), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        else:
            sys.exit(f"check_dockerfile: {name} is not walked: teach this script what it does")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        walk(os.path.abspath(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as bare:
            walk(bare)
