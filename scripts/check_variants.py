#!/usr/bin/env python3
"""Adds the variants of docs/adding-a-variant.md to a copy of the project, one commit each, builds it and tries them.

Prints how many files and lines each takes. Fails if one takes more files than the page says, does not build, fails a
test of what it touches, or cannot be trained with.

usage: check_variants.py [FOLDER]      (FOLDER: for the copy, kept afterwards; else a temporary one)
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = "docs/adding-a-variant.md"
NEW = re.compile(r"^New file `([^`]+)`:$")
EDIT = re.compile(r"^In `([^`]+)`, (before|after) (the second )?`(.*)`(?: as a line| in its line)?:$")
ROW = re.compile(r"^\| (\w[\w ]*) \| (\d+) \|", re.M)
TESTS = {"ops": "*", "mcmc": "*", "config": "*", "data": "*Names*:*Idx*", "kan": "*", "apps": "Usage.*"}
RUNS = (("basis", ["--set", "GeneratorModel.spline_function=Sech", "--set", "EbmModel.spline_function=Sech"]),
        ("sampler", ["--set", "POST_LANGEVIN.sampler=hmc", "--set", "POST_LANGEVIN.iters=3"]),
        ("criterion", ["--set", "TRAINING.criterion=best_sample"]))


class Failure(Exception):
    pass


def steps(page):
    """{variant: [(kind, path, where, second, anchor, text)]}; kind: new, edit or regenerate."""
    found, variant, pending, block = {}, None, None, None
    for line in page.splitlines():
        if block is not None:
            if line == "```":
                found[variant].append((*pending, "\n".join(block) + "\n"))
                pending = block = None
            else:
                block.append(line)
        elif line.startswith("## "):
            variant = line[3:].lower()
            found[variant] = []
        elif match := NEW.match(line):
            pending = ("new", match[1], "", False, "")
        elif match := EDIT.match(line):
            pending = ("edit", match[1], match[2], bool(match[3]), match[4])
        elif line.startswith("```") and pending:
            block = []
        elif line.startswith("Regenerate "):
            found[variant].append(("regenerate", "docs/configuration.md", "", False, "", ""))
    return found


def apply(tree, step):
    kind, path, where, second, anchor, text = step
    full = os.path.join(tree, path)
    if kind == "new":
        with open(full, "x", encoding="utf-8") as file:
            file.write(text)
    elif kind == "edit":
        with open(full, encoding="utf-8") as file:
            lines = file.readlines()
        places = [i for i, line in enumerate(lines) if line.startswith(anchor)]
        if len(places) <= second:
            raise Failure(f"{path}: no line begins with '{anchor}'")
        at = places[1 if second else 0] + (where == "after")
        lines[at:at] = [text]
        with open(full, "w", encoding="utf-8") as file:
            file.writelines(lines)


def run(command, tree, **options):
    done = subprocess.run(command, cwd=tree, text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n" + (done.stdout + done.stderr)[-4000:])
    return done.stdout


def try_out(tree):
    """Tests of what was touched, and three updates with each."""
    targets = [f"kaem_{name}_test" for name in TESTS]
    run(["cmake", "--build", "build", "-j2", "--target", *targets], tree)
    for name, tests in TESTS.items():
        run([f"build/tests/kaem_{name}_test", f"--gtest_filter={tests}"], tree)
        print(f"  tests of {name} pass")
    train = ["build/kaem", "train", "--dataset", "DARCY_FLOW", "--max-steps", "3", "--quiet", "--set", "TRAINING.N_train=200"]
    for name, values in RUNS:
        run([*train, "--name", name, *values], tree)
        print(f"  trained with the {name}")
    run(["build/kaem", "moments", "last", "-n", "100"], tree)
    if "KMNIST" not in run(["build/kaem", "data", "list"], tree):
        raise Failure("kaem data list: no KMNIST")


def main(folder):
    with open(os.path.join(ROOT, PAGE), encoding="utf-8") as file:
        page = file.read()
    allowed = {name: int(count) for name, count in ROW.findall(page)}
    tree = os.path.join(folder, "kaem")
    run(["git", "clone", "-q", ROOT, tree], folder)
    run(["git", "config", "user.email", "variants@example.org"], tree)
    run(["git", "config", "user.name", "check_variants"], tree)
    torch = next(os.path.join(path, "torch") for path, names, _ in os.walk(os.path.join(ROOT, ".venv"))
                 if "torch" in names and path.endswith("site-packages"))
    run(["cmake", "--preset", "release", f"-DKAEM_TORCH_ROOT={torch}"], tree)
    for variant, todo in steps(page).items():
        for step in todo:
            apply(tree, step)
        run(["cmake", "--build", "build", "-j2", "--target", "program"], tree)
        if any(step[0] == "regenerate" for step in todo):
            text = run(["build/kaem", "train", "--help-config=markdown"], tree)
            with open(os.path.join(tree, "docs/configuration.md"), "w", encoding="utf-8") as file:
                file.write(text)
        run(["git", "add", "-A"], tree)
        run(["git", "commit", "-qm", f"A {variant}"], tree)
        changes = [line.split("\t") for line in run(["git", "show", "--numstat", "--format="], tree).splitlines() if line]
        lines = sum(int(added) for added, _, _ in changes)
        print(f"{variant}: {len(changes)} files, {lines} lines: " + " ".join(path for _, _, path in changes), flush=True)
        if len(changes) != allowed.get(variant):
            raise Failure(f"{variant}: {len(changes)} files, but {PAGE} says {allowed.get(variant)}")
    try_out(tree)


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            main(sys.argv[1])
        else:
            with tempfile.TemporaryDirectory() as temporary:
                main(temporary)
    except Failure as failure:
        sys.exit(f"check_variants: {failure}")
