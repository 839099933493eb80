#!/usr/bin/env python3
"""Checks that sources which are compiled together do not see each other's names.

Where two sources of one compiler run define the same name in their unnamed namespaces, the compiler reports it only if
both mean the same; a second function of other parameters would quietly be an overload of the first. Macros and
using-directives reach the sources after them too.

usage: check_unity.py BUILD | --self-test      (BUILD: a folder that CMake configured with KAEM_UNITY above 1)
"""
import collections
import json
import os
import re
import sys
import tempfile

ATTRIBUTE = re.compile(r"^(?:\[\[[^\]]*\]\] *|extern \"C\" +)+")
OPENING = re.compile(r"^namespace \{")
CLOSING = re.compile(r"^\}  // namespace$")
TYPE = re.compile(r"^(?:template <.*> )?(?:struct|class|union|enum(?: class)?) (\w+)(?! *\()[^;]*\{?")
SAME_ANYWHERE = re.compile(r"^(namespace fs = std::filesystem|using Json = nlohmann::ordered_json);")
TEMPLATE_ARGUMENTS = re.compile(r"<[^<>]*>")
ALIAS = re.compile(r"^using (\w+) =")
FUNCTION = re.compile(r"^(?!using\b|return\b|namespace\b)[A-Za-z_][\w:<>,&*\s\[\]]*?[\s&*>](\w+)\(")
MACRO = re.compile(r"^# *define (\w+)", re.M)


def names_of(text):
    """Names that a source defines in unnamed namespaces at the left margin, and its macros that it leaves behind."""
    found, inside = set(), False
    for line in text.splitlines():
        if OPENING.match(line):
            inside = True
        elif CLOSING.match(line):
            inside = False
        elif (inside or re.match(r"static\b", line)) and not SAME_ANYWHERE.match(line):
            line = ATTRIBUTE.sub("", line)
            while TEMPLATE_ARGUMENTS.search(line):
                line = TEMPLATE_ARGUMENTS.sub("", line)
            if re.match(r"[A-Za-z_]", line):
                found |= names_of_line(line)
    macros = {name for name in MACRO.findall(text) if not re.search(rf"^#undef {name}\b", text, re.M)}
    found |= {f"macro {name}" for name in macros}
    found |= {f"using namespace {name}" for name in re.findall(r"^using namespace ([\w:]+);", text, re.M)}
    return found


def names_of_line(line):
    """The names that a definition's first line defines."""
    for pattern in (ALIAS, TYPE):
        if match := pattern.match(line):
            return {match.group(1)}
    if re.match(r"(?:static |inline |constexpr |const |thread_local |std::|[\w:]+ \w+ = )", line) and re.search(r"=|\{", line):
        head = re.match(r"[^={(]*(?=[={])", line)
        if head:  # constexpr int kA = 1, kB = 2;
            return set(re.findall(r"(\w+)(?:\[[^\]]*\])* *(?:=(?!=)|\{)", re.sub(r"\([^()]*\)|\"[^\"]*\"", "", line)))
    if match := FUNCTION.match(line):
        return {match.group(1)}
    if match := re.match(r"(?!using\b)[\w:<>,&*\s]+[\s&*>](\w+)(?: = .*|\{.*)?;", line):
        return {match.group(1)}
    return set()


def clashes(group):
    """(name, sources) for each name that more than one of the sources (path -> text) defines or leaves behind."""
    where = collections.defaultdict(list)
    for path, text in group.items():
        for name in names_of(text):
            where[name].append(path)
    def clash(name, count):
        if name.startswith("using namespace "):
            return count < len(group)
        return count > 1 or name.startswith("macro ")

    return sorted((name, sorted(paths)) for name, paths in where.items() if clash(name, len(paths)))


def groups_of(build):
    """The sources (path -> text) of each file that CMake made to compile several together."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        units = sorted(entry["file"] for entry in json.load(file) if re.match(r"unity_.*\.cxx$", os.path.basename(entry["file"])))
    for unit in units:
        with open(unit, encoding="utf-8") as file:
            paths = re.findall(r'^#include "([^"]+)"', file.read(), re.M)
        group = {}
        for path in paths:
            with open(path, encoding="utf-8") as file:
                group[os.path.relpath(path)] = file.read()
        yield group


def check(groups):
    """Prints all clashes; returns the exit status."""
    count = sources = found = 0
    for group in groups:
        count, sources = count + 1, sources + len(group)
        for name, paths in clashes(group):
            found += 1
            print(f"check_unity: {name} in {', '.join(paths)}, which are compiled together")
    if count == 0:
        print("check_unity: no sources are compiled together (KAEM_UNITY=1?)")
        return 1
    if not found:
        print(f"check_unity: {sources} sources in {count} groups, no name twice")
    return 1 if found else 0


SELF_TEST = [  # two sources, the names that must be found
    ("namespace {\ndouble twice(double x) { return 2 * x; }\n}  // namespace\n", "namespace {\nint twice(int x) {\n}  // namespace\n", ["twice"]),
    ("namespace {\nconstexpr int kA = 1, kB = 2;\n}  // namespace\n", "namespace {\nconstexpr double kB = 3;\n}  // namespace\n", ["kB"]),
    ("namespace {\nstruct Row {\n}  // namespace\n", "namespace {\nusing Row = int;\n}  // namespace\n", ["Row"]),
    ("namespace {\nconst std::vector<int> kRows = {1};\n}  // namespace\n", "namespace {\nconst std::string kRows{};\n}  // namespace\n", ["kRows"]),
    ("namespace {\n[[noreturn]] void refuse(int x) {\n}  // namespace\n", "namespace {\nvoid refuse() {\n}  // namespace\n", ["refuse"]),
    ("namespace {\nextern \"C\" void note(int) {\n}  // namespace\n", "static int note;\n", ["note"]),
    ("namespace {\nstd::function<void(int)> step(int x) {\n}  // namespace\n", "namespace {\nint step() {\n}  // namespace\n", ["step"]),
    ("namespace {\nint kA = 1, kB = 2;\n}  // namespace\n", "namespace {\nconstexpr int kB = 2;\n}  // namespace\n", ["kB"]),
    ("#define LIMIT 3\n", "", ["macro LIMIT"]), ("#define LIMIT 3\n#undef LIMIT\n", "", []),
    ("using namespace std;\n", "", ["using namespace std"]),
    ("namespace {\nusing namespace std;\n", "namespace {\nusing namespace std;\n", []),
    ("namespace {\nint a() {\n  int twice(0);\n}  // namespace\nint b() {}\n", "namespace {\nint twice() {\n}  // namespace\nint b() {}\n", []),
]


def self_test():
    """Made-up sources; returns the exit status."""
    wrong = 0
    for first, second, wanted in SELF_TEST:
        found = [name for name, _ in clashes({"a.cpp": first, "b.cpp": second})]
        if found != wanted:
            wrong += 1
            print(f"check_unity self-test: found {found}, want {wanted}")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as file:
            file.write("[]")
        if check(groups_of(folder)) == 0:
            wrong += 1
            print("check_unity self-test: a folder without groups passed")
    print(f"check_unity self-test: {wrong} faults")
    return 1 if wrong else 0


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    return self_test() if sys.argv[1] == "--self-test" else check(groups_of(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
