"""kaem: Kolmogorov-Arnold Energy Models (arXiv 2506.14167) from Python.

    import kaem

    run = kaem.load("runs/MNIST/vanilla/default")        # a run's folder, or "last"
    images = run.sample(64, seed=1)                      # [64,1,28,28] in [0,1]
    value, error = run.log_prob(images[:4])              # log p(x) by annealed importance sampling

    run = kaem.train("MNIST", settings={"TRAINING.N_epochs": 4}, progress=print)

Everything is a torch tensor, shared with the library without copies. Nothing is compiled here: the classes are registered
with LibTorch by the library that the package brings.
"""
from ._library import prepare, version as _version
from .run import Run, load
from .training import Training, train

__version__ = _version
__all__ = ["Run", "Training", "load", "prepare", "train", "nn", "__version__"]


def __getattr__(name: str):
    if name == "nn":  # torch.nn is not needed to load a run
        import importlib

        return importlib.import_module(".nn", __name__)
    raise AttributeError(f"module 'kaem' has no attribute {name!r}")
