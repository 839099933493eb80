"""The Python blocks of the pages, run one after another in a folder with a small run: what a page shows must work."""
import importlib.util
import os
import pathlib
import re
import shutil

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("KAEM_PROGRAM", str(ROOT / "build" / "kaem"))

spec = importlib.util.spec_from_file_location("check_docs", ROOT / "scripts" / "check_docs.py")
check_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_docs)


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)


@pytest.mark.skipif(not os.path.exists(PROGRAM), reason="the program is not built")
@pytest.mark.parametrize("page", ["README.md", "docs/how-to.md", "docs/quick-start.md"])
def test_python_of_the_page_runs(page, tmp_path, monkeypatch):
    found = blocks(page)
    if not found:
        pytest.skip("no block of Python")
    check_docs.furnish(str(tmp_path))
    environment = {**os.environ, "KAEM_PROGRAM": PROGRAM, "KAEM_DATA_DIR": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    check_docs.train_once(str(tmp_path), environment)
    check_docs.export_once(str(tmp_path), environment)
    shutil.copytree(tmp_path / "runs/DARCY_FLOW/vanilla/before", tmp_path / "runs/DARCY_FLOW/vanilla/first")  # of the quick start
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    short = '{"TRAINING.N_updates": 4, "TRAINING.N_train": 100, "TRAINING.batch_size": 8, "TRAINING.threads": 1}'
    names = {}
    for block in found:
        block = re.sub(r'settings=\{[^}]*\}', f"settings={short}", block)
        exec(compile(block, page, "exec"), names)
