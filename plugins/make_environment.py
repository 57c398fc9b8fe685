"""Makes an environment of the sample plugins, on top of this one: what is installed here is seen there, too."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def main(folder: Path) -> None:
    venv.create(folder, clear=True, with_pip=False)
    python = folder / Path(sys.executable).parent.name / Path(sys.executable).name
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    here = sysconfig.get_path("purelib")  # its own .pth files count as well, as that of an editable archspec
    (Path(purelib) / "beneath.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    samples = [path.parent for path in sorted(Path(__file__).parent.glob("*/pyproject.toml"))]
    editable = [argument for path in samples for argument in ("--editable", str(path))]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *editable], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
