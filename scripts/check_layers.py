#!/usr/bin/env python3
"""Checks that the sources keep to the structure that docs/architecture.md promises.

Who may include whom is read from the table "Layers" of docs/architecture.md; what else holds stands in RULES below.
Prints a line for every violation and exits with 1 if there is one. --self-test breaks every rule once in a made-up tree.
"""
import os
import re
import sys
import tempfile

CODE = (".h", ".cpp", ".cu", ".cuh")
ROOTS = ("include", "src", "apps", "tests", "benches", "examples", "fuzz")
MAX_LINES = 400
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Third-party headers that may stand in few places: (name, pattern of the include, pattern of the allowed files).
CONFINED = [
    ("spdlog", r"(spdlog|fmt)/", r"src/core/log\.cpp"),
    ("stb", r"stb/|stb_image", r"src/io/image\w*\.cpp|tests/.*\.cpp"),
    ("CLI11", r"CLI/", r"apps/.*"),
    ("inih", r"ini\.h$|INIReader\.h$", r"src/config/.*\.cpp"),
    ("libcurl", r"curl/", r"src/(io|data)/.*\.cpp"),
    ("nlohmann-json", r"nlohmann/json\.hpp$", r".*\.cpp"),
    ("Google Test", r"g(test|mock)/", r"tests/.*"),
    ("torch/torch.h", r"torch/torch\.h$", r".*\.cpp"),
    ("the log", r"kaem/core/log\.h$", r"(src|include/kaem)/(core|config|train|evaluate|python)/.*|(apps|tests|examples|benches)/.*"),
]
# What docs/architecture.md says of the code itself: pattern and the files that may hold it.
STATEMENTS = [
    ("#ifdef of CUDA", re.compile(r"^# *if(def|ndef)?\b.*CUDA", re.M), r"src/ops/.*|include/kaem/core/.*|tests/.*"),
    ("a question for the device", re.compile(r"\bis_(cuda|cpu)\(\)"),
     r"src/(ops|core|train|mcmc)/.*|src/generator/transposed_convolution\.cpp|src/prior/mixture\.cpp|src/data/dataset\.cpp|"
     r"(tests|benches)/.*"),
    ("state of the whole program", re.compile(r"^\s*(thread_local|volatile)\b|^\s*static (?!const|inline)[\w:<>, ]+ \w+[{;]", re.M),
     r"src/ops/(gpu|load_cuda)\.cpp|src/ops/cuda/(launch\.cpp|steps_later\.h)|src/ops/cpu/plan\.cpp|src/train/signals\.cpp|src/io/file\.cpp|"
     r"(apps|tests|benches|fuzz)/.*"),
    ("a warning", re.compile(r"\bTORCH_WARN"), r"src/prior/table\.cpp|tests/.*"),
    ("a switch that takes any other basis", re.compile(r"case (BasisKind::)?kRbf:(?:(?!\n  \}).)*\n\s*default:", re.S), r"tests/.*"),
]
# Files that read bytes from outside: free of LibTorch, also through the project's own headers, so that fuzzing is quick.
PARSERS = r"src/(io|data)/formats/.*|src/io/(file|gzip|digest)\.(cpp|h)|src/config/(ini|jobs|range)\w*\.(cpp|h)|fuzz/.*"
LIBTORCH = r"(ATen|c10|torch|caffe2)/"
# .cu files see plain pointers only; LibTorch's headers would take 20 s to compile in each.
CUDA = r"src/ops/.*\.cuh?"


def layer_table(text):
    """The rows of the table below the heading "Layers": folder -> folders that it may include ("*": all above it)."""
    section = re.split(r"^#+ .*Layers.*$", text, maxsplit=1, flags=re.M)
    if len(section) < 2:
        sys.exit("check_layers: docs/architecture.md has no heading with 'Layers'")
    table = {}
    for row in re.findall(r"^\|\s*\d+\s*\|\s*`(\w+)`\s*\|([^|]*)\|", section[1], re.M):
        seen = re.findall(r"`(\w+)`", row[1])
        table[row[0]] = set(table) if "all above" in row[1] else set(seen)
    if len(table) < 10:
        sys.exit("check_layers: the table of docs/architecture.md was not understood")
    return table


def sources(root):
    """Paths of all source files below the root, relative to it."""
    for top in ROOTS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith(CODE):
                    yield os.path.relpath(os.path.join(folder, name), root)


def build_files(root):
    """The text of all files that say what is compiled."""
    texts = []
    for top in (*ROOTS, "cmake"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name == "CMakeLists.txt" or name.endswith(".cmake"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        texts.append(file.read())
    return "\n".join(texts)


class Tree:
    """The sources and what they include."""

    def __init__(self, root):
        self.root = root
        self.text = {}
        self.build = build_files(root)
        for path in sources(root):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                self.text[path] = file.read()

    def includes(self, path):
        """(as written, file of ours that is meant or None) for each include of a file."""
        for quote, name in INCLUDE.findall(self.text[path]):
            near = os.path.normpath(os.path.join(os.path.dirname(path), name))
            places = [near] if quote == '"' else []
            places += [os.path.join("include", name), os.path.join("src", name), os.path.join("tests", name)]
            yield name, next((place for place in places if place in self.text), None)

    def reached(self, path):
        """All files of ours that a file includes, directly or not, each with the include of it that leads there."""
        found, queue = {}, [(target, name) for name, target in self.includes(path) if target]
        while queue:
            target, first = queue.pop()
            if target not in found:
                found[target] = first
                queue += [(further, first) for _, further in self.includes(target) if further]
        return found


def folder_of(path):
    """(kind, folder): ('public', 'kan') for include/kaem/kan/basis.h, ('private', 'kan') for src/kan/bases/rbf.cpp."""
    parts = path.split(os.sep)
    if parts[:2] == ["include", "kaem"] and len(parts) > 3:
        return "public", parts[2]
    if parts[0] == "src" and len(parts) > 2:
        return "private", parts[1]
    return parts[0], parts[1] if len(parts) > 2 else ""


def check_include(path, name, target, table):
    """The complaint about one include of a file of ours, or None."""
    kind, folder = folder_of(path)
    to_kind, to_folder = folder_of(target)
    if to_kind == "private":
        own = folder == to_folder and kind in ("private", "tests")
        parser = kind == "fuzz" and to_folder in ("io", "data", "config")
        if not own and not parser:
            return f"includes the private header {name} of src/{to_folder}"
        return None
    if to_kind != "public" or kind not in ("public", "private"):
        return None
    if folder not in table:
        return f"folder '{folder}' is not in the table of docs/architecture.md"
    if to_folder != folder and to_folder not in table[folder]:
        allowed = " ".join(sorted(table[folder])) or "nothing"
        return f"includes {name}, but {folder} may include only: {allowed}"
    return None


def check_file(tree, path, table):
    """All complaints about one file."""
    lines = tree.text[path].count("\n")
    if lines > MAX_LINES:
        yield f"has {lines} lines, {MAX_LINES} at most: make two files of it"
    if re.search(r"(^|/)utils?/", path) or os.path.basename(path) in ("common.h", "utils.h", "util.h", "kaem.h"):
        yield "is a folder or file for everything: name it by its concept"
    source = os.path.basename(path)
    named = re.search(rf"\b{re.escape(source)}\b|\bkaem_fuzz_target\({re.escape(source[:-4])} ", tree.build)
    folder = os.path.dirname(path).partition("/")[2]
    named = named or re.search(rf"\bkaem_sources\(\w+ {re.escape(folder)} ALL\b", tree.build)
    if path.endswith((".cpp", ".cu")) and not named:
        yield "is compiled nowhere: no CMakeLists.txt names it"
    for name, target in tree.includes(path):
        if target:
            complaint = check_include(path, name, target, table)
            if complaint:
                yield complaint
        elif re.match(r"kaem/", name):
            yield f"includes {name}, which does not exist"
        for what, pattern, allowed in CONFINED:
            if re.match(pattern, name) and not re.fullmatch(allowed, path):
                yield f"includes {name}: {what} may stand only in {allowed}"
    for what, pattern, allowed in STATEMENTS:
        if pattern.search(tree.text[path]) and not re.fullmatch(allowed, path):
            yield f"holds {what}, which docs/architecture.md says may stand only in {allowed}"
    for what, pattern in (("a byte parser", PARSERS), ("a CUDA source", CUDA)):
        if re.fullmatch(pattern, path):
            yield from check_free_of_torch(tree, path, what)


def check_free_of_torch(tree, path, what):
    """Complaints about headers of LibTorch that the file includes itself or through headers of ours."""
    for name, _ in tree.includes(path):
        if re.match(LIBTORCH, name):
            yield f"is {what} and includes {name}"
    for target, first in tree.reached(path).items():
        for name, _ in tree.includes(target):
            if re.match(LIBTORCH, name):
                yield f"is {what} and includes {name} through {first}"


def check(root):
    """All complaints about a tree, as "path: complaint"."""
    with open(os.path.join(root, "docs", "architecture.md"), encoding="utf-8") as file:
        table = layer_table(file.read())
    tree = Tree(root)
    return [f"{path}: {complaint}" for path in tree.text for complaint in check_file(tree, path, table)]


VIOLATIONS = {  # file -> (content, what the complaint must hold)
    "src/ops/a.cpp": ('#include "kaem/kan/good.h"\n', "ops may include only: core"),
    "src/kan/b.cpp": ('#include "ops/hidden.h"\n', "private header ops/hidden.h"),
    "apps/kaem/c.cpp": ('#include "../../src/ops/hidden.h"\n', "private header"),
    "src/core/d.cpp": ("#include <spdlog/spdlog.h>\n", "spdlog may stand only in"),
    "src/io/e.cpp": ("#include <stb/stb_image.h>\n", "stb may stand only in"),
    "src/data/f.cpp": ("#include <CLI/CLI.hpp>\n", "CLI11 may stand only in"),
    "src/train/g.cpp": ("#include <ini.h>\n", "inih may stand only in"),
    "include/kaem/kan/h.h": ("#include <torch/torch.h>\n", "torch/torch.h may stand only in"),
    "src/data/formats/i.cpp": ("#include <ATen/ATen.h>\n", "is a byte parser and includes ATen"),
    "src/io/formats/j.cpp": ('#include "kaem/core/heavy.h"\n', "through kaem/core/heavy.h"),
    "src/ops/cuda/k.cu": ("#include <c10/util/Half.h>\n", "is a CUDA source"),
    "src/kan/l.cpp": ("\n" * 401, "401 lines"),
    "src/utils/m.cpp": ("", "folder or file for everything"),
    "include/kaem/core/common.h": ("", "folder or file for everything"),
    "src/prior/n.cpp": ('#include "kaem/core/log.h"\n', "the log may stand only in"),
    "src/odd/o.cpp": ('#include "kaem/kan/good.h"\n', "'odd' is not in the table"),
    "src/kan/p.cpp": ('#include "kaem/kan/gone.h"\n', "which does not exist"),
    "tests/kan/forgotten_test.cpp": ("", "is compiled nowhere"),
    "src/kan/q.cpp": ("#ifdef KAEM_CUDA\n", "holds #ifdef of CUDA"),
    "src/kan/r.cpp": ("bool on = x.is_cuda();\n", "holds a question for the device"),
    "src/kan/s.cpp": ("thread_local int count = 0;\n", "holds state of the whole program"),
    "src/kan/t.cpp": ('TORCH_WARN_ONCE("x");\n', "holds a warning"),
    "src/ops/u.cpp": ("  switch (kind) {\n    case BasisKind::kRbf:\n      return 1;\n    default:\n      return 2;\n  }\n",
                      "holds a switch that takes any other basis"),
}
GOOD = {
    "src/CMakeLists.txt": "a.cpp b.cpp c.cpp d.cpp e.cpp f.cpp g.cpp i.cpp j.cpp k.cu l.cpp m.cpp n.cpp o.cpp p.cpp q.cpp r.cpp s.cpp t.cpp u.cpp own.cpp log.cpp loop.cpp\n"
                          "own_test.cpp",
    "include/kaem/kan/good.h": '#include "kaem/core/heavy.h"\n', "include/kaem/core/heavy.h": "#include <ATen/core/Tensor.h>\n",
    "include/kaem/core/log.h": "", "src/ops/hidden.h": "", "src/ops/own.cpp": '#include "ops/hidden.h"\n#include "hidden.h"\n',
    "src/core/log.cpp": "#include <spdlog/spdlog.h>\n", "tests/ops/own_test.cpp": '#include "ops/hidden.h"\n',
    "src/train/loop.cpp": '#include "kaem/core/log.h"\n#include "kaem/kan/good.h"\n',
}


def self_test(project):
    """A made-up tree with every violation once: each must be found, and nothing else."""
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(project, "docs", "architecture.md"), encoding="utf-8") as file:
            files = {"docs/architecture.md": file.read(), **GOOD, **{path: content for path, (content, _) in VIOLATIONS.items()}}
        for path, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(content)
        found = check(root)
    missed = [path for path, (_, words) in VIOLATIONS.items()
              if not any(line.startswith(path + ":") and words in line for line in found)]
    false = [line for line in found if line.split(":")[0] not in VIOLATIONS]
    for path in missed:
        print(f"self-test: the violation in {path} was not found")
    for line in false:
        print(f"self-test: false alarm: {line}")
    print(f"check_layers self-test: {len(VIOLATIONS) - len(missed)} of {len(VIOLATIONS)} violations found, {len(false)} false alarms")
    return 1 if missed or false else 0


def main():
    project = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if "--self-test" in sys.argv[1:]:
        return self_test(project)
    complaints = check(project)
    print("\n".join(complaints) if complaints else "check_layers: the structure holds")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
