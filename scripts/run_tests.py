#!/usr/bin/env python3
"""Runs every test of a build folder, one program after another, and counts single test cases.

usage: run_tests.py BUILD [--only REGEX] [--filter GTEST_FILTER] [--limit MINUTES] [--list]
       run_tests.py --programs DIR [--under DIR] ...   (no CMake: all kaem_*_test in DIR, run in the folder --under)
       run_tests.py --self-test

A Google Test program counts by its cases; any other test (a script) counts as one. A program that crashes or runs out of
time counts as one failure, and so does an empty one. Skipped cases are listed with their reasons. The last line is
"N passed, N failed"; the exit status is 1 if anything failed or nothing ran.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml


class Tally:
    """What was counted so far."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []


def tests_of_build(build):
    """(name, command or None if not built, folder, seconds) of all tests that CMake knows."""
    text = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    for test in json.loads(text.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], test.get("command"), properties.get("WORKING_DIRECTORY", build), properties.get("TIMEOUT", 1800)


def tests_of_folder(folder, under):
    """The same for a folder of test programs."""
    for name in sorted(os.listdir(folder)):
        if name.endswith("_test"):
            yield name.removeprefix("kaem_").removesuffix("_test"), [os.path.abspath(os.path.join(folder, name))], under, 1800


def signal_name(status):
    """How a program that did not exit by itself ended."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def environment():
    """Threads that wait for each other go to sleep early: beside other work, tests of small tensors that spin are 30 times slower."""
    return {"GOMP_SPINCOUNT": "2000", **os.environ}


def run(command, folder, seconds):
    """(exit status or None when out of time, output); kills the program's whole group at the end of its time."""
    program = subprocess.Popen(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", start_new_session=True)
    try:
        output, _ = program.communicate(timeout=seconds)
        return program.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        output, _ = program.communicate()
        return None, output
    except BaseException:  # interrupted: nothing of ours may go on running
        os.killpg(program.pid, signal.SIGKILL)
        raise


def count_report(name, report, tally):
    """Adds the cases of a Google Test report; returns how many there were."""
    cases = xml.parse(report).getroot().findall("./testsuite/testcase")
    cases = [case for case in cases if case.get("status") == "run"]
    for case in cases:
        title = f"{name}: {case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None:
            tally.failed.append(title)
        elif case.find("skipped") is not None:
            reason = case.find("skipped").get("message") or case.find("skipped").text or ""
            tally.skipped.append((title, reason_of(reason)))
        else:
            tally.passed += 1
    return len(cases)


def reason_of(message):
    """The reason that GTEST_SKIP() gave, without the file and line before it."""
    lines = [line.strip() for line in message.strip().splitlines()]
    if lines and re.match(r"\S+:\d+$", lines[0]):
        lines = lines[1:]
    return " ".join(lines) or "no reason given"


def count_output(name, output, tally):
    """The same from what a crashed program had printed; returns the case that it was in."""
    tally.passed += len(re.findall(r"^\[       OK \]", output, re.M))
    failed = set(re.findall(r"^\[  FAILED  \] (\S+?)[,\s]", output, re.M))
    tally.failed += [f"{name}: {case}" for case in sorted(failed)]
    started = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
    return started[-1] if started else "before its first test"


def run_one(name, command, folder, seconds, gtest_filter, tally):
    """Runs one test program or script and adds to the tally; True if all is well."""
    failures = len(tally.failed)
    is_gtest = bool(re.match(r"kaem_\w+_test$", os.path.basename(command[0])))
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        options = [f"--gtest_output=xml:{report}", "--gtest_color=no"] if is_gtest else []
        if is_gtest and gtest_filter:
            options.append(f"--gtest_filter={gtest_filter}")
        status, output = run(command + options, folder, seconds)
        if is_gtest and status is not None and os.path.exists(report):
            cases = count_report(name, report, tally)
            if cases == 0 and not gtest_filter:
                tally.failed.append(f"{name}: the program holds no test")
            if status != 0 and len(tally.failed) == failures:  # for example a sanitizer's finding at exit
                tally.failed.append(f"{name}: exit status {status} after its tests")
        elif status == 0 and not is_gtest:
            tally.passed += 1
        else:
            how = f"stopped after {seconds:.0f} s" if status is None else (
                f"crashed ({signal_name(status)})" if status < 0 else f"exit status {status}")
            tally.failed.append(f"{name}: {how}" + (f" in {count_output(name, output, tally)}" if is_gtest else ""))
    good = len(tally.failed) == failures
    if not good:
        print(shorten(output), flush=True)
    return good


def shorten(output, lines=200):
    """The lines that matter of a failed program's output: those of passed cases are left out."""
    kept = [line for line in output.splitlines() if not re.match(r"\[ RUN  |\[       OK|\[-----", line)]
    return "\n".join("    " + line for line in kept[-lines:])


def run_all(tests, options):
    """Runs the tests and prints the summary; returns the exit status."""
    tally, begun, end = Tally(), time.monotonic(), time.monotonic() + 60 * options.limit
    for name, command, folder, seconds in tests:
        left = end - time.monotonic()
        if not command:
            tally.failed.append(f"{name}: not built")
            continue
        if left <= 0:
            tally.failed.append(f"{name}: not run, the limit of {options.limit} minutes is used up")
            continue
        before, start = (tally.passed, len(tally.failed), len(tally.skipped)), time.monotonic()
        good = run_one(name, command, folder, min(float(seconds), left), options.filter, tally)
        passed, failed, skipped = tally.passed - before[0], len(tally.failed) - before[1], len(tally.skipped) - before[2]
        print(f"{'ok    ' if good else 'FAILED'} {name:24} {passed:5} passed" + (f", {failed} failed" if failed else "")
              + (f", {skipped} skipped" if skipped else "") + f"  ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"All of it took {time.monotonic() - begun:.0f} s.")
    for title, reason in tally.skipped:
        print(f"skipped: {title}: {reason}")
    for title in tally.failed:
        print(f"failed: {title}")
    if tally.skipped:
        print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or tally.passed == 0 else 0


PROGRAMS = {  # programs of the self-test: what they print, their report, how they end
    "good": ('<testsuite><testcase classname="A" name="a" status="run"/><testcase classname="A" name="b" status="run">'
             '<skipped message="f.cpp:1&#x0A;needs a GPU"/></testcase><testcase classname="A" name="c" status="notrun"/>'
             "</testsuite>", "exit 0"),
    "bad": ('<testsuite><testcase classname="B" name="a" status="run"><failure message="x"/></testcase></testsuite>', "exit 1"),
    "leaky": ('<testsuite><testcase classname="C" name="a" status="run"/></testsuite>', "exit 23"),
    "crash": (None, "echo '[ RUN      ] D.a'; echo '[       OK ] D.a (0 ms)'; echo '[ RUN      ] D.b'; kill -SEGV $$"),
    "empty": ("", "exit 0"),
}


def self_test():
    """Runs made-up programs through the counting; returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (cases, ending) in PROGRAMS.items():
            path = os.path.join(folder, f"kaem_{name}_test")
            report = "" if cases is None else f"echo '<testsuites>{cases}</testsuites>' >\"${{1#--gtest_output=xml:}}\"\n"
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/bash\n{report}{ending}\n")
            os.chmod(path, 0o755)
        tally = Tally()
        for name, command, under, seconds in tests_of_folder(folder, folder):
            run_one(name, command, under, seconds, "", tally)
        run_one("slow", ["sleep", "5"], folder, 0.2, "", tally)
        run_one("script", ["true"], folder, 5, "", tally)
    wanted = ["bad: B.a", "crash: crashed (SIGSEGV) in D.b", "empty: the program holds no test",
              "leaky: exit status 23 after its tests", "slow: stopped after 0 s"]
    if tally.passed != 4 or tally.failed != wanted or tally.skipped != [("good: A.b", "needs a GPU")]:
        print(f"run_tests self-test: counted {tally.passed} passed, failed {tally.failed}, skipped {tally.skipped}")
        return 1
    print("run_tests self-test: well")
    return 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description="Runs all tests and counts their cases.")
    parser.add_argument("build", nargs="?", help="build folder")
    parser.add_argument("--programs", help="folder of test programs, instead of a build folder")
    parser.add_argument("--under", default=".", help="folder that the programs of --programs run in")
    parser.add_argument("--only", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("--filter", default="", help="passed to Google Test programs as --gtest_filter")
    parser.add_argument("--limit", type=float, default=90, help="minutes for everything")
    parser.add_argument("--list", action="store_true", help="only print the names")
    parser.add_argument("--self-test", action="store_true", help="check this script")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if not options.build and not options.programs:
        parser.error("give a build folder or --programs")
    tests = tests_of_folder(options.programs, options.under) if options.programs else tests_of_build(options.build)
    tests = [test for test in tests if re.search(options.only, test[0])]
    if options.list:
        print("\n".join(test[0] for test in tests))
        return 0
    return run_all(tests, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
