#!/usr/bin/env python3
"""Compiles sources and headers by themselves, so that each names all that it needs.

The default build reads LibTorch's headers ahead and compiles sources together, where a missing #include goes unseen.
Sources for nvcc and for one instruction set are left out: they have compilers or flags of their own.

usage: check_includes.py BUILD [--jobs N] [PATH...]   (BUILD: configured by the preset `lint`; PATH: files or folders)
"""
import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def commands_of(build):
    """Path below the root -> (folder, compiler's words up to the output) of all sources that CMake knows."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    commands = {}
    for entry in entries:
        words = shlex.split(entry["command"])
        commands[os.path.relpath(entry["file"], ROOT)] = entry["directory"], words[:words.index("-o")]
    return commands


def tracked(paths):
    """Sources and headers below the paths that git knows or would add."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *(paths or ["."])],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for path in listed if path.endswith((".h", ".cpp")) and os.path.exists(os.path.join(ROOT, path))]


def command_for(path, commands):
    """(folder, words) that compile a source, or a header with the flags of a source of its folder; None: not ours to compile."""
    if path in commands:
        folder, words = commands[path]
        return folder, [*words, "-fsyntax-only", os.path.join(ROOT, path)]
    if not path.endswith(".h") or "/cuda/" in path or "/simd/" in path:  # those are compiled by nvcc, or for one instruction set each
        return None
    near = os.path.dirname(path).replace("include/kaem", "src").replace("tests/support", "tests/train")  # what tests share
    sources = sorted(source for source in commands if os.path.dirname(source) == near)
    # A folder's last resort is a source that sees LibTorch and all libraries: the trainer.
    folder, words = commands[sources[0] if path.startswith(("apps", "tests", "benches")) and sources else "src/train/trainer.cpp"]
    return folder, [*words, "-fsyntax-only", "-x", "c++", "-"]


def compile_alone(path, folder, words):
    """The compiler's complaints, empty if there are none."""
    source = f'#include "{os.path.join(ROOT, path)}"\n'  # read where the words end with -
    run = subprocess.run(words, cwd=folder, input=source, capture_output=True, text=True, errors="replace")
    return path, "" if run.returncode == 0 else "\n".join(run.stderr.splitlines()[:20]) or f"exit status {run.returncode}"


def main():
    parser = argparse.ArgumentParser(description="Compiles every source and header by itself.")
    parser.add_argument("build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args()
    commands = commands_of(options.build)
    runs = [(path, command) for path in tracked(options.paths) if (command := command_for(path, commands))]
    if not runs:
        sys.exit("check_includes: no source to look at")
    faults = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path, complaint in pool.map(lambda run: compile_alone(run[0], *run[1]), runs):
            if complaint:
                faults += 1
                print(f"check_includes: {path} does not compile by itself\n{complaint}", flush=True)
    print(f"check_includes: {len(runs)} files, {faults} of which do not compile by themselves")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
