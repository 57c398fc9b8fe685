"""A plugin's package made importable and known by its entry point, as `pip install` does it, without a network."""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

import archspec

HOUSE = Path(archspec.__file__).parents[1]


@dataclass
class Environment:
    """A folder that stands for site-packages, and commands that see it."""

    site: Path

    def install(self, package):
        """What `pip install -e PACKAGE` leaves behind: the path of its sources, and its entry points."""
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        name, version = project["name"], project["version"]
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = "".join(f"{point} = {value}\n" for point, value in project["entry-points"]["archspec"].items())
        (info / "entry_points.txt").write_text(f"[archspec]\n{points}")
        with (self.site / "paths").open("a") as stream:
            stream.write(f"{package / 'src'}\n")

    @property
    def variables(self):
        paths = (self.site / "paths").read_text().split() if (self.site / "paths").exists() else []
        search = os.pathsep.join(map(str, (self.site, *paths, HOUSE, os.environ.get("PYTHONPATH", ""))))
        return {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}

    def python(self, *arguments, cwd):
        """Run Python where the installed packages are seen."""
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, env=self.variables, capture_output=True, text=True, check=False)
        done.said = done.stdout + done.stderr
        return done


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "site").mkdir()
    return Environment(tmp_path / "site")
