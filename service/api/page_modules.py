"""The modules that a page needs at once: those that its first one imports, and those that these import."""

import re
from functools import lru_cache
from pathlib import Path

# what the browser loads before it runs a module; `import("…")` is loaded later
IMPORT = re.compile(r'^(?:import|export)\b[^;"(]*"(\.[^"]+)"', re.MULTILINE)


def modules_of(folder: Path, start: str) -> list[str]:
    """The paths in `folder` of all modules that `start` imports at once, itself left out; near ones first."""
    folder = folder.resolve()
    found = [folder / start]
    for path in found:
        imports = [(path.parent / name).resolve() for name in imports_of(path.read_text(encoding="utf-8"))]
        found += [other for other in dict.fromkeys(imports) if other not in found and other.is_file()]
    return [path.relative_to(folder).as_posix() for path in found[1:]]


@lru_cache(maxsize=512)
def imports_of(text: str) -> list[str]:
    """What the module with this text imports at once, relative to it."""
    return IMPORT.findall(text)
