"""Writes the examples of docs/plugins.md anew, from the files that `archspec plugins new demo` writes."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.scaffold import KINDS_BY_OPTION, file_of, package_files

PAGE = Path(__file__).parent / "plugins.md"
MODULE = "src/archspec_demo"


def plugins_page(text: str) -> str:
    """The page, with what stands between `<!-- example: KIND -->` and `<!-- end -->` written anew."""
    return re.sub(r"(<!-- example: (\w+) -->\n).*?(<!-- end -->)", _fill, text, flags=re.DOTALL)


def _fill(found: re.Match[str]) -> str:
    files, stem = package_files("demo", KINDS_BY_OPTION.values()), file_of(found[2])
    paths = [f"{MODULE}/{stem}.py", f"{MODULE}/{stem}_torch.py", f"tests/test_{stem}.py"]
    blocks = "".join(f"```python\n# {path}\n{files[path]}```\n\n" for path in paths if path in files)
    return f"{found[1]}\n{blocks}{found[3]}"


if __name__ == "__main__":
    PAGE.write_text(plugins_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
