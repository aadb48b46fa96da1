"""`python -m comparison.batch_loop --images DIR`: `python -m service.detect` beside a plain loop with the same engine.

The plain loop has its files in memory, decodes them, runs the engine and keeps nothing. The command lists and reads the
folder and writes JSON lines too. Both use all streams of one engine, in turns.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from service.benchmark.__main__ import read_images
from service.detect.__main__ import set_up_threads
from service.detect.detector import Detector
from service.detect.journal import Journal
from service.detect.outputs.format import Format
from service.detect.outputs.place import OutputPlace
from service.detect.pictures import pictures_of
from service.detect.run import Tally, run
from service.detect.saved import SavedResults
from service.detect.sources import open_sources
from service.detection.pipeline import Pipeline
from service.engines.protocol import EngineError


def main() -> int:
    """Measure and print one line for each of the two; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="python -m comparison.batch_loop",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="a folder of images")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each (default: 9)")
    options = parser.parse_args()
    try:
        files = read_images(options.images)
        set_up_threads()
        detector = Detector.open()
    except (EngineError, ValueError, OSError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    with detector:
        print(f"{detector.engine.name} in {detector.engine.precision}, {detector.engine.num_streams} streams")
        runs = {
            "plain loop": lambda: plain_loop(detector, files),
            "service.detect": lambda: command(detector, options.images),
        }
        figures = take_turns(runs, options.rounds)
    for name, rows in figures.items():
        rate, cpu = statistics.median(row[0] for row in rows), statistics.median(row[1] for row in rows)
        print(
            f"{name}: {len(files) * rate:.1f} images/s (best {len(files) * max(row[0] for row in rows):.1f}), "
            f"{1000 * cpu / len(files):.2f} ms of CPU time an image"
        )
    return 0


def plain_loop(detector: Detector, files: Sequence[bytes]) -> None:
    """Each of the engine's streams takes the next files, until there are none."""
    pipeline = Pipeline(detector.bundle, detector.engine, max_batch=detector.max_batch)
    batches = iter([files[start : start + detector.max_batch] for start in range(0, len(files), detector.max_batch)])
    lock = threading.Lock()

    def locked() -> Iterator[Sequence[bytes]]:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def work() -> None:
        for batch in locked():
            pipeline.detect(batch)

    threads = [threading.Thread(target=work) for _ in range(detector.engine.num_streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def command(detector: Detector, folder: Path) -> None:
    """What the command does between opening and closing the engine."""
    with tempfile.TemporaryDirectory() as out:
        place = OutputPlace(Path(out) / "found.jsonl", Format("jsonl"), "")
        with Journal(place.journal) as journal:
            results = SavedResults(place, journal, detector.manifest)
            pictures = pictures_of(open_sources([str(folder)]), 1, journal.__contains__)
            run(detector, pictures, results, Tally())
            results.finish()


def take_turns(runs: dict[str, Callable[[], None]], num_rounds: int) -> dict[str, list[tuple[float, float]]]:
    """For each of the runs and each round, the runs a second and the seconds of CPU time; the order alternates."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for run_once in runs.values():
        run_once()
    for number in range(num_rounds):
        for name in list(runs) if number % 2 else list(runs)[::-1]:
            start, cpu = time.perf_counter(), time.process_time()
            runs[name]()
            figures[name].append((1 / (time.perf_counter() - start), time.process_time() - cpu))
    return figures


if __name__ == "__main__":
    sys.exit(main())
