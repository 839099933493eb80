#!/usr/bin/env python3
"""Draws what `kaem plot` has written. usage: plot.py FOLDER: prior.csv, components.csv, runs.json -> pictures there.

prior.csv: component,q,p,z,energy,log_pi0,density,cdf; components.csv: q,p,entropy,divergence; runs.json: the runs' names,
modes and folders, whose metrics.csv and samples/ are read, and which columns are drawn together.
"""
import csv
import json
import os
import statistics
import sys

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogFormatter, MaxNLocator
except ImportError as missing:
    sys.exit(f"plot.py: {missing} (make plot installs what it needs)")

def table(path):
    """Columns of a CSV file by name, as lists of numbers; what is no number is left out with its row's step."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) if row[name] not in ("", None) else float("nan") for row in rows] for name in (rows[0] if rows else [])}


def save(figure, folder, name):
    path = os.path.join(folder, name)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    print(path)


def draw_prior(folder):
    data = table(os.path.join(folder, "prior.csv"))
    if not data:
        return
    components = {}
    for i, which in enumerate(data["component"]):
        components.setdefault(int(which), []).append(i)
    columns = 4
    rows = (len(components) + columns - 1) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 2.7 * rows + 0.9), squeeze=False, layout="constrained")
    for axis in axes.flat[len(components):]:
        axis.set_visible(False)
    for axis, index in zip(axes.flat, components.values()):
        z = [data["z"][i] for i in index]
        reference = [2.718281828459045 ** data["log_pi0"][i] for i in index]
        axis.fill_between(z, [data["density"][i] for i in index], color="tab:blue", alpha=0.25, linewidth=0)
        density, = axis.plot(z, [data["density"][i] for i in index], color="tab:blue", label="density p(z)")
        base, = axis.plot(z, reference, color="tab:gray", linestyle="--", label="reference π0(z)")
        axis.set_ylim(bottom=0)
        right = axis.twinx()
        energy, = right.plot(z, [data["energy"][i] for i in index], color="tab:red", linewidth=1, label="energy f(z)")
        right.tick_params(axis="y", labelcolor="tab:red", labelsize=8)
        axis.tick_params(labelsize=8)
        axis.set_title(f"q = {int(data['q'][index[0]])}, p = {int(data['p'][index[0]])}", fontsize=10)
        axis.set_xlabel("z", fontsize=9)
        if axis.get_subplotspec().is_first_col():
            axis.set_ylabel("density", fontsize=9)
        if axis.get_subplotspec().is_last_col():
            right.set_ylabel("energy, nats", fontsize=9, color="tab:red")
    figure.legend(handles=[density, base, energy], loc="outside upper center", ncols=3, fontsize=10)
    save(figure, folder, "prior.png")


def draw_components(folder):
    data = table(os.path.join(folder, "components.csv"))
    if not data:
        return
    if max(data["divergence"]) < 1e-9:
        print("components.png is not drawn: every component is its reference density")
        return
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, name, label in zip(axes, ("divergence", "entropy"), ("KL(p‖π0) of a component, nats", "entropy of a component, nats")):
        axis.hist(data[name], bins=40, color="tab:blue")
        axis.set_xlabel(label)
        axis.set_ylabel("components")
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.ticklabel_format(axis="x", useOffset=False)
        axis.xaxis.get_major_formatter().set_powerlimits((-3, 4))
    axes[0].set_title(f"{len(data['q'])} components, median KL {statistics.median(data['divergence']):.3g} nats", fontsize=10)
    save(figure, folder, "components.png")


def histories_of(runs):
    """Name and columns of metrics.csv of each run; every picture gives a run the colour of its place here."""
    histories = []
    for run in runs:
        path = os.path.join(run["folder"], "metrics.csv")
        histories.append((run["name"], table(path) if os.path.exists(path) else {}))
        if "step" not in histories[-1][1]:
            print(f"{path}: no rows of numbers", file=sys.stderr)
            histories[-1] = (run["name"], {})
    return histories


def draw_training(folder, panels, histories):
    if not panels:
        print("training.png is not drawn: no metrics.csv has a row of numbers")
        return
    columns = 3
    rows = (len(panels) + columns - 1) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels):
        for i, (run, history) in enumerate(histories):
            for name in panel["columns"]:
                points = [(step, value) for step, value in zip(history.get("step", []), history.get(name, [])) if value == value]
                if points:  # measures stand in few rows
                    axis.plot(*zip(*points), color=f"C{i}", label=run, linewidth=1.2, marker="." if len(points) < 20 else "")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.set_title(panel["title"], fontsize=10)
        axis.set_xlabel("update", fontsize=9)
        axis.set_ylabel(panel["unit"], fontsize=9)
        if panel["logarithmic"]:
            axis.set_yscale("log")
            # Numbers between powers of ten where fewer than two decades are shown.
            axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        axis.tick_params(which="both", labelsize=8)
    if len(histories) > 1:
        lines = [Line2D([], [], color=f"C{i}", label=run) for i, (run, _) in enumerate(histories)]
        figure.legend(handles=lines, loc="outside upper center", ncols=min(len(lines), 6), fontsize=10)
    save(figure, folder, "training.png")


def draw_ladder(folder, histories):
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    drawn = False
    for i, (run, history) in enumerate(histories):
        names = sorted((name for name in history if name.startswith("swap_")), key=lambda name: int(name[5:]))
        if names:
            axis.plot(range(1, len(names) + 1), [history[name][-1] for name in names], color=f"C{i}", marker="o", label=run)
            drawn = True
    if drawn:
        axis.set_xlabel("pair of neighbouring temperatures, from the prior to the posterior")
        axis.set_ylabel("rate of accepted exchanges")
        axis.set_ylim(0, 1)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(fontsize=8)
        save(figure, folder, "exchanges.png")
    else:
        plt.close(figure)


def draw_samples(folder, runs):
    from PIL import Image

    for run in runs:
        where = os.path.join(run["folder"], "samples")
        names = [name for name in os.listdir(where) if name.startswith("step_") and name.endswith(".png")] if os.path.isdir(where) else []
        names.sort(key=lambda name: int(name[5:-4]))
        pictures = [Image.open(os.path.join(where, name)).convert("RGB") for name in names]
        if len({picture.size for picture in pictures}) == 1 and len(pictures) > 1:
            path = os.path.join(folder, "samples.gif" if len(runs) == 1 else f"samples_{run['name'].replace('/', '_')}.gif")
            pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=500, loop=0)
            print(path)


def main(folder):
    with open(os.path.join(folder, "runs.json"), encoding="utf-8") as file:
        drawn = json.load(file)
    runs = drawn["runs"]
    draw_prior(folder)
    draw_components(folder)
    histories = histories_of(runs)
    draw_training(folder, drawn["panels"], histories)
    draw_ladder(folder, histories)
    draw_samples(folder, runs)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
