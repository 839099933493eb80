#!/usr/bin/env python3
"""Reads the events of a run with the tensorboard package and compares them with the run's other files.
usage: check_tensorboard.py RUN (a run's folder; the Python that runs this must have tensorboard)"""
import csv
import math
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = sys.argv[1]
events = EventAccumulator(run, size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
with open(os.path.join(run, "metrics.csv"), encoding="utf-8") as file:
    rows = list(csv.DictReader(file))

faults = []
written = [(int(row["step"]), float(row["loss"])) for row in rows]
read = [(event.step, event.value) for event in events.Scalars("train/loss")]
if len(written) != len(read) or any(a[0] != b[0] or not math.isclose(a[1], b[1], rel_tol=1e-6) for a, b in zip(written, read)):
    faults.append(f"train/loss: {read[:3]}... where metrics.csv has {written[:3]}...")
pictures = sorted(int(name[5:-4]) for name in os.listdir(os.path.join(run, "samples")) if name.endswith(".png"))
shown = events.Images("samples")
if [event.step for event in shown] != pictures:
    faults.append(f"samples of updates {[event.step for event in shown]} where the folder has {pictures}")
for event in shown:
    with open(os.path.join(run, "samples", f"step_{event.step}.png"), "rb") as file:
        if file.read() != event.encoded_image_string:
            faults.append(f"the picture of update {event.step} is another one than the file")
for name in ("prior/latents", "prior/energies", "prior/KL to the reference"):
    for event in events.Histograms(name):
        value = event.histogram_value
        if not math.isclose(sum(value.bucket), value.num) or not value.min <= value.bucket_limit[-1] <= value.max + 1e-12:
            faults.append(f"{name}: {value}")
if "configuration" not in tags["tensors"]:
    faults.append("there is no text of the configuration")
elif b"batch_size = " not in events.Tensors("configuration")[0].tensor_proto.string_val[0]:
    faults.append("the text is not the configuration")
for fault in faults:
    print("check_tensorboard:", fault)
print(f"{len(read)} rows, {len(shown)} pictures, {len(tags['histograms'])} histograms: {'wrong' if faults else 'as the files of the run'}")
sys.exit(bool(faults))
