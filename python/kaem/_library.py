"""Opens the library that registers the classes, once LibTorch is there to register them with."""
import os
import pathlib

import torch

_TESTED = "2.11."
_HERE = pathlib.Path(__file__).resolve().parent


def _path() -> str:
    """KAEM_LIBRARY; in the package; or in the build folder of the source tree."""
    named = os.environ.get("KAEM_LIBRARY")
    places = [pathlib.Path(named)] if named else [_HERE / "lib" / "libkaem_python.so", _HERE.parents[1] / "build" / "libkaem_python.so"]
    for place in places:
        if place.is_file():
            return str(place)
    raise ImportError("kaem: libkaem_python.so was not found in " + " or ".join(map(str, places)))


if not torch.__version__.startswith(_TESTED):
    raise ImportError(f"kaem was built for torch {_TESTED}x, found {torch.__version__}: their libraries do not fit each other")
# The files of settings stand in the package, or in the source tree.
for _folder in (_HERE / "share" / "config", _HERE.parents[1] / "config"):
    if _folder.is_dir():
        os.environ.setdefault("KAEM_CONFIG_DIR", str(_folder))
torch.classes.load_library(_path())

classes = torch.classes.kaem
version: str = torch.ops.kaem.version()


def prepare(threads: int = 0) -> None:
    """Threads of the processor (0: all that this process may use), and flushing of denormal numbers, which make products of
    matrices many times slower."""
    torch.ops.kaem.prepare(threads)


def set_messages(on: bool) -> None:
    """Whether the library prints more than warnings."""
    torch.ops.kaem.set_messages(on)
