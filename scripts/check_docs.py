#!/usr/bin/env python3
"""Runs the commands of the pages, in a folder with small data, so that no page names a command that does not work.
usage: check_docs.py [PROGRAM] [PAGE...]     PROGRAM: build/kaem

Every block marked sh or bash is run by bash, a page in one folder. `build/kaem` and `kaem` there are the program with short
settings (few updates, few data, few chains); `make TARGET` of a target that runs the program runs that command. Of other programs (git, srun,
docker, ...) nothing is run. Python blocks are not run here; tests/python has them.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.md", "docs/quick-start.md", "docs/kaem-for-vae-users.md", "docs/choosing.md", "docs/how-to.md", "docs/from-julia.md",
         "docs/troubleshooting.md", "docs/windows.md", "docs/equations.md", "docs/scale.md"]
# Programs that stand for a machine's own: their success is assumed.
OTHERS = ["git", "sudo", "srun", "sbatch", "scontrol", "docker", "nvidia-smi", "pip", "python", "tensorboard", "cmake", "apt-get", "xdg-open",
          "source", "man", "ssh", "scp", "module", "torchrun", "mpirun"]

WRAPPER = r'''#!/usr/bin/env python3
import os, sys
program, words = os.environ["KAEM_PROGRAM"], sys.argv[1:]
words = ["cpu" if word.startswith("cuda") else word.replace("PDE_data/darcy_flow.h5", "fields.npy") for word in words]
command = words[0] if words else ""
if "--devices" in words:
    at = words.index("--devices"); words[at:at + 2] = ["--workers", "2"]
def has(*names): return any(word == name or word.startswith(name + "=") for word in words for name in names)
def drop(name):
    while name in words:
        at = words.index(name); del words[at:at + 2]
short = []
if command in ("train", "jobs", "tune") and not has("--dry-run"):
    drop("--budget")
    if not has("--resume", "--help-config"):
        for key, value in (("N_train", 48), ("N_test", 8), ("batch_size", 8)): short += ["--set", f"TRAINING.{key}={value}"]
    if not has("--max-steps", "--help-config"): short += ["--max-steps", "4"]
    if not has("--help-config"): short += ["--offline", "--threads", "1"]
if command == "train" and has("--dry-run") and any("fields.npy" in word for word in words): short += ["--set", "TRAINING.N_test=8", "--set", "TRAINING.batch_size=8"]
if command == "tune": short += ["--set", "TUNING.num_trials=2", "--set", "TUNING.test_data=4", "--set", "TUNING.draws=20"]
if command in ("evaluate", "compare"):
    for name, value in (("-n", "4"), ("--chains", "2"), ("--levels", "4"), ("--samples", "20"), ("--generated", "64")):
        if name in words: drop(name)
        short += [name, value]
    short += ["--threads", "1"]
if command == "diagnose": short += ["-n", "8", "--levels", "4", "--chains", "2", "--threads", "1"]
if command == "plot": short += ["--no-pictures"]
os.execv(program, [program] + words + short)
'''

MAKE = r'''#!/usr/bin/env python3
import os, shlex, sys
values = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
target = next((word for word in sys.argv[1:] if "=" not in word), "help")
arguments = shlex.split(values.get("ARGS", ""))
data = ["--dataset", values.get("DATASET", "MNIST")]
run = values.get("RUN", "last").split()
mode = target[6:] if target.startswith("train-") else values.get("MODE", "vanilla")
if target == "train-sequential": words = ["jobs", values.get("CONFIG", "jobs.txt")]
elif target == "train" or target.startswith("train-"): words = ["train", "--mode", mode] + data
elif target == "tune": words = ["tune"] + data
elif target in ("sample", "evaluate", "compare", "report", "diagnose", "plot", "traverse", "symbolic", "prune", "export"): words = [target] + run
else: sys.exit(0)  # builds, tests and the like
os.execv(os.path.join(os.getcwd(), "build", "kaem"), ["kaem"] + words + arguments)
'''


def png(path, seed):
    rows = b"".join(b"\0" + bytes((seed * 37 + 11 * x * y + 5 * x) % 256 for x in range(24 * 3)) for y in range(24))
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def idx(path, shape, values):
    with open(path, "wb") as file:
        file.write(struct.pack(">BBBB", 0, 0, 8, len(shape)) + b"".join(struct.pack(">I", n) for n in shape) + bytes(values))


def digits(folder, count, prefix):
    """Bright strokes at places that the label decides."""
    images, labels = bytearray(), bytearray()
    for i in range(count):
        label = i % 10
        labels.append(label)
        images += bytes(min(255, max(0, 255 - 60 * abs(x - 4 - 2 * label) - 3 * abs(y - 14 + i % 5))) for y in range(28) for x in range(28))
    idx(os.path.join(folder, f"{prefix}-images-idx3-ubyte"), (count, 28, 28), images)
    idx(os.path.join(folder, f"{prefix}-labels-idx1-ubyte"), (count,), labels)


def furnish(folder):
    """What pages speak of: data sets, pictures, a text, fields, a file of jobs."""
    data = os.path.join(folder, "data", "MNIST", "raw")
    os.makedirs(data)
    digits(data, 600, "train")
    digits(data, 120, "t10k")
    shutil.copytree(os.path.join(folder, "data", "MNIST"), os.path.join(folder, "data", "FashionMNIST"))
    os.makedirs(os.path.join(folder, "photos"))
    for i in range(64):
        png(os.path.join(folder, "photos", f"{i}.png"), i)
    with open(os.path.join(folder, "book.txt"), "w", encoding="utf-8") as file:
        file.write("".join(f"the {word} of line {i} is a word among words\n" for i in range(100) for word in ("first", "second")))
    numbers = [((x * 7 + y * 3 + i) % 23) / 23 for i in range(80) for y in range(16) for x in range(16)]
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (80, 16, 16), }".ljust(117) + "\n"
    with open(os.path.join(folder, "fields.npy"), "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(numbers)}f", *numbers))
    with open(os.path.join(folder, "seeds.txt"), "w", encoding="utf-8") as file:
        file.write("MNIST variational name=seed1 seed=1\nMNIST variational name=seed2 seed=2\n")
    shutil.copy(os.path.join(ROOT, "jobs.txt"), folder)
    for name in ("config", "examples"):
        os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
    os.makedirs(os.path.join(folder, "build", "tests"))
    os.makedirs(os.path.join(folder, "bin"))
    for path, text in [("build/kaem", WRAPPER), ("bin/kaem", WRAPPER), ("bin/make", MAKE)] + [(f"bin/{name}", "#!/bin/sh\nexit 0\n") for name in OTHERS] + [
            (f"build/tests/kaem_{name}_test", "#!/bin/sh\nexit 0\n") for name in os.listdir(os.path.join(ROOT, "src"))]:
        with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(os.path.join(folder, path), 0o755)


def train_once(folder, environment):
    """The runs that pages speak of; the second is last."""
    for dataset, name in (("MNIST", "default"), ("DARCY_FLOW", "before")):
        subprocess.run(["build/kaem", "train", "--dataset", dataset, "--name", name], cwd=folder, env=environment, check=True, capture_output=True)


def export_once(folder, environment):
    """What Python blocks read: exported modules, tensors and samples."""
    for words in (["export", "last", "--to", "torchscript", "--out", "model.pt"], ["export", "last", "--to", "safetensors", "--out", "model.safetensors"],
                  ["sample", "last", "-n", "64", "--out", "x.npy", "--latents", "z.npy"], ["prior", "last", "--out", "prior.csv"]):
        subprocess.run(["build/kaem"] + words, cwd=folder, env=environment, check=True, capture_output=True)


def blocks(text):
    return re.findall(r"^```(?:sh|bash)\n(.*?)^```", text, flags=re.M | re.S)


def check(page, program):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        found = blocks(file.read())
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        furnish(folder)
        environment = {**os.environ, "KAEM_PROGRAM": program, "KAEM_DATA_DIR": "", "XDG_CACHE_HOME": os.path.join(folder, "cache"),
                       "PATH": os.path.join(folder, "bin") + ":" + os.environ["PATH"], "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": "1"}
        train_once(folder, environment)
        for block in found:
            block = re.sub(r"<[^>\n]*>", "placeholder", block)  # <address of this repository>
            block = re.sub(r"&& cd \S+", "", block)
            done = subprocess.run(["bash", "-eo", "pipefail", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                faults += 1
                print(f"{page}: status {done.returncode} of\n{block}{done.stderr[-1500:]}")
    print(f"{page}: {len(found)} blocks, {faults} faults")
    return faults


def main(arguments):
    program = os.path.abspath(arguments[0]) if arguments else os.path.join(ROOT, "build", "kaem")
    return sum(check(page, program) for page in arguments[1:] or PAGES) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
