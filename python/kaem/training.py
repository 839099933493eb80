"""Training, in the folder of a run as the program does it: metrics.csv, checkpoints, pictures, events for TensorBoard."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ._library import classes, set_messages
from .run import Run


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(_text(item) for item in value)
    return str(value)


class Training:
    """A run that is trained some updates at a time.

        training = kaem.Training("MNIST", settings={"TRAINING.N_epochs": 1})
        while training.advance(50):
            print(training.step, training.numbers()["loss"])
        run = training.finish()
    """

    def __init__(self, dataset: str = "", *, mode: str = "", config: str | os.PathLike = "", settings: Mapping[str, Any] | None = None,
                 data: Tensor | None = None, test: Tensor | None = None, out: str | os.PathLike = "runs", name: str = "",
                 resume: str | os.PathLike = "", messages: bool = False):
        """dataset, mode, out, name, resume: as of `kaem train`. config: a file, or the text of one. settings: {"SECTION.key": value},
        as --set. data: training data [N,C,H,W] with C 1 or 3, float in [0,1] or bytes, in place of the data set's; test: the same, else the
        last of `data`; with data= `dataset` names whose settings are taken."""
        if not dataset and not config and not resume:
            raise ValueError("dataset: names the settings that a run has (those of config/), also where data= is given")
        set_messages(messages)
        pairs = [f"{key}={_text(value)}" for key, value in (settings or {}).items()]
        root = os.environ.get("KAEM_DATA_DIR")
        if root and not resume and not any(pair.upper().startswith("DATA.ROOT=") for pair in pairs):
            pairs.append(f"DATA.root={root}")
        self._training = classes.Training(os.fspath(config), pairs, dataset, mode, os.fspath(out), name, os.fspath(resume), data, test)

    @property
    def step(self) -> int:
        """Updates done."""
        return self._training.step()

    @property
    def updates(self) -> int:
        """Updates in all."""
        return self._training.updates()

    def advance(self, updates: int = 1) -> bool:
        """Makes up to so many updates; True if more are to come. KeyboardInterrupt, once a checkpoint is written, after Ctrl-C."""
        try:
            return self._training.advance(updates)
        except RuntimeError as error:
            if str(error).startswith("interrupted after update"):
                raise KeyboardInterrupt(str(error).splitlines()[0]) from None
            raise

    def numbers(self) -> dict[str, float]:
        """Loss, terms, norm of the gradient and learning rate of the last update."""
        return dict(self._training.numbers())

    def finish(self) -> Run:
        """Writes the last checkpoint and pictures, and loads the run."""
        return Run(self._training.end())


def train(dataset: str = "", *, progress: Callable[[int, int, dict[str, float]], None] | None = None, every: int = 50,
          **arguments: Any) -> Run:
    """A whole run, as `kaem train`; arguments as of Training. progress(step, updates, numbers) is called each `every` updates and at
    the end."""
    training = Training(dataset, **arguments)
    more = True
    while more:
        more = training.advance(every)
        if progress is not None:
            progress(training.step, training.updates, training.numbers())
    return training.finish()
