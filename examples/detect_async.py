"""Detect in all pictures of a folder with asyncio: one line of JSON for each picture on standard output.

python examples/detect_async.py photos [http://localhost:8000] >found.jsonl
"""

import asyncio
import json
import sys
from pathlib import Path

from tqdm import tqdm

try:
    from singleshot import AsyncClient, Detections
except ModuleNotFoundError as error:
    sys.exit(str(error))

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}


async def main(paths: list[Path], url: str) -> None:
    """Send eight pictures at once; a bad picture has an error in its line, and the others go on."""
    async with AsyncClient(url) as client:
        with tqdm(total=len(paths), unit="picture") as bar:
            async for found in client.detect_many(paths, concurrency=8, return_exceptions=True):
                result = found.to_dict() if isinstance(found, Detections) else {"error": str(found)}
                print(json.dumps({"path": str(paths[bar.n]), **result}))
                bar.update()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    pictures = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not pictures:
        sys.exit(f"{sys.argv[1]}: it is no folder with pictures")
    asyncio.run(main(pictures, sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8000"))
