#!/usr/bin/env python3
"""How the time and the memory of an update grow: measures settings over two orders of magnitude by `kaem train --dry-run` and fits a model
of cost to them. Prints a row a setting, measured and predicted, and how far the model is off. usage: cost.py [PROGRAM] [--threads N]"""
import argparse
import math
import re
import subprocess

import numpy

BASE = {"mode": "vanilla", "sampler": "proposal", "batch": 100, "draws": 20, "kept": 4, "steps": 3, "chains": 4, "levels": 4, "q": 81, "p": 40,
        "grid": 20, "hidden": 162}
PIXELS = 784
# One thing at a time, and some together.
SETTINGS = [{}] + [{"batch": n} for n in (10, 30, 300, 1000)] + [{"draws": n} for n in (5, 10, 50, 150)] + [{"kept": n} for n in (1, 10, 20)] + \
    [{"q": n} for n in (8, 27, 243, 810)] + [{"p": n} for n in (4, 400)] + [{"grid": n} for n in (5, 60)] + [{"hidden": n} for n in (16, 54, 486, 1458)] + \
    [{"mode": "variational"}, {"mode": "variational", "batch": 1000}] + \
    [{"sampler": "ula", "steps": n} for n in (1, 10, 40)] + [{"sampler": "ula", "chains": n} for n in (1, 16)] + \
    [{"mode": "thermo", "levels": n} for n in (2, 10, 20)] + [{"batch": 10, "hidden": 16, "q": 8, "draws": 5, "kept": 1}]


def arguments(s):
    sampler = "ula" if s["mode"] == "thermo" else s["sampler"]
    keys = {"TRAINING.batch_size": s["batch"], "TRAINING.importance_sample_size": s["draws"], "POST_LANGEVIN.kept_draws": min(s["kept"], s["draws"]),
            "EbmModel.layer_widths": f"{s['p']},{s['q']}", "GeneratorModel.widths": f"{s['q']},{s['hidden']}",
            "GeneratorModel.grid_size": s["grid"], "EbmModel.grid_size": s["grid"], "POST_LANGEVIN.iters": s["steps"],
            "THERMODYNAMIC_INTEGRATION.num_temps": s["levels"], "TRAINING.N_train": 1000,
            "POST_LANGEVIN.chains_per_datum": s["chains"] if s["sampler"] == "ula" else 1}
    if s["mode"] == "vanilla":
        keys["POST_LANGEVIN.sampler"] = sampler
    return ["--mode", s["mode"]] + [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]


def passes(s):
    """Rows that go through the generator in an update: without a gradient, with one in the latent, and with one in the parameters."""
    batch, draws, kept = s["batch"], s["draws"], min(s["kept"], s["draws"])
    if s["mode"] == "variational":
        return 0, 0, batch
    forward = batch * draws + max(1, draws // 10)  # weighted draws; those of the prior are shared
    if s["mode"] == "thermo":
        return forward + draws, batch * (2 * s["levels"] + 1), batch * s["levels"]
    if s["sampler"] == "ula":
        return forward, batch * s["chains"] * s["steps"] + batch, batch * s["chains"]
    return forward, batch, batch * kept


def terms(s):
    """What the time is a sum of: multiplications of the generator, basis functions and elements, the prior's tables, the parameters."""
    forward, latent, trained = passes(s)
    rows = forward + 2 * latent + 3 * trained
    features = s["grid"] + 2
    products = features * (s["q"] * s["hidden"] + s["hidden"] * PIXELS)
    elements = features * (s["q"] + s["hidden"]) + 4 * PIXELS
    parameters = products + features * s["p"] * s["q"]
    return [1, rows * products, rows * elements, (forward / 4 + trained + latent) * s["p"] * s["q"], s["p"] * s["q"] * (401 + s["grid"] * 8), parameters]


def memory_terms(s):
    """What the memory of an update is a sum of: the prior's components at the draws, their pictures, the graph of what is trained, the tables,
    the folded weights."""
    forward, latent, trained = passes(s)
    features, components = s["grid"] + 2, s["p"] * s["q"]
    return [1, 4 * forward * components, 4 * (forward + latent) * (s["q"] + s["hidden"] + 2 * PIXELS), 4 * (trained + latent) * components,
            4 * trained * (features * (s["q"] + s["hidden"]) + 4 * PIXELS), 4 * components * 401, 4 * features * (s["q"] * s["hidden"] + s["hidden"] * PIXELS)]


def measure(program, s, threads):
    words = [program, "train", "--dataset", "MNIST", "--dry-run", "--offline", "--threads", str(threads)] + arguments(s)
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([\d.]+) ms an update", text)[1]), float(re.search(r"an update ([\d,]+)\n", text)[1].replace(",", ""))


def fitted(rows, values):
    """Coefficients, none below 0, that make the relative errors small: by iterated least squares, leaving out what would be negative."""
    x, y = numpy.array(rows, float), numpy.array(values, float)
    a, used = x / y[:, None], list(range(x.shape[1]))
    while True:
        scale = numpy.abs(a[:, used]).max(0)
        found = numpy.linalg.lstsq(a[:, used] / scale, numpy.ones(len(y)), rcond=None)[0] / scale
        if (found >= 0).all():
            result = numpy.zeros(x.shape[1])
            result[used] = found
            return result
        used.pop(int(found.argmin()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default="build/kaem")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    settings = [{**BASE, **change} for change in SETTINGS]
    measured = [measure(options.program, s, options.threads) for s in settings]
    for name, unit, column, of in (("time", "ms", 0, terms), ("memory", "MB", 1, memory_terms)):
        values = [max(m[column], 1) for m in measured]
        rows = [of(s) for s in settings]
        coefficients = fitted(rows, values)
        predicted = numpy.array(rows, float) @ coefficients
        print(f"\n{name}: coefficients {' '.join(f'{c:.3g}' for c in coefficients)}")
        for change, value, guess in zip(SETTINGS, values, predicted):
            label = ", ".join(f"{k}={v}" for k, v in change.items()) or "default"
            print(f"  {label:48s} {value:9.1f} {unit}  {guess:9.1f} predicted  {guess / value:5.2f}")
        ratios = numpy.abs(numpy.log(predicted / values))
        print(f"  {max(values) / min(values):.0f} times from least to most; off by a factor of {math.exp(numpy.median(ratios)):.2f} in the median, "
              f"{math.exp(ratios.max()):.2f} at most")


if __name__ == "__main__":
    main()
