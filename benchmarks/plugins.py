"""What 50 installed plugins cost a command that needs none of them: `archspec check` with them, and without.

    python benchmarks/plugins.py [--plugins 50] [--rounds 15]

Both are timed in turn, each as a process of its own, and the medians are compared. The plugins lie in a folder beside
the installed packages, each with its metadata, and raise when they are imported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = Path(__file__).parents[1] / "specs" / "resnet18.yaml"


def write_plugins(folder: Path, count: int) -> None:
    """Install so many distributions in a folder, each with one entry point."""
    for number in range(count):
        (folder / f"fake_{number}.py").write_text("raise AssertionError('imported')\n")
        metadata = folder / f"archspec_fake_{number}-0.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: archspec-fake-{number}\nVersion: 0.1\nRequires-Dist: archspec-nn>=0.1\n"
        )
        (metadata / "entry_points.txt").write_text(f"[archspec]\nfake-{number} = fake_{number}\n")


def seconds_of(folder: Path, *arguments: str) -> float:
    """One command, with the packages of a folder before all others."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "archspec", *arguments]
    began = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert "warning" not in done.stderr, done.stderr
    return time.perf_counter() - began


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as with_them, tempfile.TemporaryDirectory() as without:
        write_plugins(Path(with_them), options.plugins)
        times: dict[str, list[float]] = {with_them: [], without: []}
        for folder in times:  # compiles what is imported
            seconds_of(Path(folder), "check", str(SPEC))
        for _ in range(options.rounds):
            for folder, found in times.items():
                found.append(seconds_of(Path(folder), "check", str(SPEC)))
        many, none = (1_000 * statistics.median(times[folder]) for folder in (with_them, without))
    print(f"check {SPEC.name}: {none:.0f} ms, and {many:.0f} ms with {options.plugins} plugins: {many - none:+.1f} ms")


if __name__ == "__main__":
    main()
