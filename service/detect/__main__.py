"""`python -m service.detect SOURCE... --out OUT`: detects in many pictures without a server."""

import signal

# before the other imports, which take a second: a signal ends them without a traceback
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import io
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import cv2
from pydantic import ValidationError

from service.bundle import BundleError
from service.command_names import named
from service.detect.command_line import parser
from service.detect.detector import Detector, EngineFailedError
from service.detect.journal import Journal, JournalError
from service.detect.outputs.choose import choose_format
from service.detect.outputs.format import OutputError
from service.detect.outputs.place import OutputPlace
from service.detect.outputs.yolo import CLASSES
from service.detect.own_files import OwnFiles
from service.detect.picture import Failure, Picture
from service.detect.pictures import count_pictures, pictures_of
from service.detect.printed import PrintedResults
from service.detect.progress import Progress
from service.detect.record import record_of
from service.detect.resume import find_run, open_journal, same_engine
from service.detect.run import LOCAL_READERS, REMOTE_READERS, Results, Tally, run
from service.detect.saved import SavedResults
from service.detect.sources import Source, SourceError, any_remote, common_root, open_sources
from service.engines.protocol import EngineError
from service.environment import EnvironmentVariableError, check_environment
from service.errors import validation_problems
from service.memory import return_large_blocks
from service.settings import Settings
from service.telemetry.logs import write_logs
from service.telemetry.standard_streams import open_missing_streams

SOME_FAILED = 3  # the exit status if all is written but some pictures could not be used


def stop(number: int, _: FrameType | None) -> None:
    """End the run after the batches that are running; a second signal ends it at once."""
    signal.signal(number, signal.SIG_DFL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it would log that fsspec's task is not done
    sys.exit(128 + number)  # no Exception: whoever waits for a server handles those


def main(arguments: Sequence[str] | None = None) -> int:
    """Detect -> exit status."""
    open_missing_streams()
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    write_logs("warning")
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background jobs ignore Ctrl-C
            signal.signal(number, stop)
    try:
        return detect(options)
    except ValidationError as error:
        return fail(validation_problems(error.errors(), empty_location="the settings"), status=2)
    except EnvironmentVariableError as error:
        return fail(str(error), status=2)
    except (BundleError, EngineError, EngineFailedError, JournalError, OutputError, SourceError) as error:
        return fail(str(error))
    except BrokenPipeError:  # whoever read the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # of a source or of stdout: that of an output is an OutputError
        if error.filename is None and options.out is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else its end writes again
            return fail(f"standard output: it cannot be written: {error.strerror}")
        return fail(f"{error.filename}: it cannot be read: {error.strerror}; the same command goes on")
    except SystemExit as error:
        remedy = f"; to go on: {command_to_go_on(given)}" if options.out else ""
        print(f"stopped{remedy}", file=sys.stderr)
        return int(error.code or 0)


def detect(options: argparse.Namespace) -> int:
    """Do what the command line asks for -> exit status."""
    set_up_threads()
    settings = settings_of(options)
    sources = open_sources(options.sources)
    if options.out is None:
        if options.format not in (None, "jsonl"):
            raise OutputError(f"--format {options.format} needs --out")
        with open_detector(options, settings) as detector:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")  # its encoding may lack characters of a name
            printed = PrintedResults(detector.manifest.classes, is_json=options.format is not None)
            return work(detector, sources, options.every, printed)
    place = OutputPlace(
        options.out, choose_format(options.format, options.out, options.annotations), common_root(sources)
    )
    before = find_run(place, sources, is_restarted=options.restart)
    with open_detector(options, same_engine(settings, before)) as detector:
        record = record_of(detector, place.format.name, options.every)
        with open_journal(place, before, record, is_restarted=options.restart) as journal:
            results = SavedResults(place, journal, detector.manifest)
            return work(detector, sources, options.every, results, place, journal)


def work(
    detector: Detector,
    sources: Sequence[Source],
    every: int,
    results: Results,
    place: OutputPlace | None = None,
    journal: Journal | None = None,
) -> int:
    """Detect in the pictures that are not done, and say at the end what was done -> exit status."""
    is_done = journal.__contains__ if journal is not None else lambda _: False
    tally, start = Tally(), time.monotonic()
    try:
        with Progress(count_pictures(sources, every, is_done)) as progress:
            pictures = own_pictures(sources, every, is_done, place)
            run(
                detector,
                pictures,
                results,
                tally,
                content=place.format.content if place else None,
                num_readers=REMOTE_READERS if any_remote(sources) else LOCAL_READERS,
                on_batch=progress.advance,
            )
        note = results.finish()
    finally:
        if place is not None:
            print(summary(tally, time.monotonic() - start, len(journal or ()), place), file=sys.stderr)
    if note:
        print(note, file=sys.stderr)
    return SOME_FAILED if tally.num_failed else 0


def own_pictures(
    sources: Sequence[Source], every: int, is_done: Callable[[str], bool], place: OutputPlace | None
) -> Iterator[Picture | Failure]:
    """The pictures that are not done; in a folder of outputs, each has a file of its own."""
    if place is None or not place.format.is_folder:
        return pictures_of(sources, every, is_done)
    files = OwnFiles(place.file_of, {place.out / CLASSES: "the list of classes"} if place.format.name == "yolo" else {})

    def claim_and_look(name: str) -> bool:
        is_mine = files.claim(name) == name
        return is_mine and is_done(name)

    return files.checked(pictures_of(sources, every, claim_and_look))


def summary(tally: Tally, seconds: float, num_before: int, place: OutputPlace) -> str:
    """What a run did, in one line."""
    parts = [f"{tally.num_pictures} pictures", f"{tally.num_detections} detections"]
    parts.append(f"{tally.num_failed} failed" + (f" (listed in {place.failures})" if tally.num_failed else ""))
    if num_before:
        parts.append(f"{num_before} were done before")
    return f"{place.out}: {', '.join(parts)}; {seconds:.1f} s, {tally.num_pictures / seconds:.1f} images/s"


def set_up_threads() -> None:
    """Prepare the process for threads that decode images at the same time."""
    return_large_blocks()
    cv2.setNumThreads(1)  # the workers use all cores already


def settings_of(options: argparse.Namespace) -> Settings:
    """The server's settings from the environment and the options. Raises ValidationError, EnvironmentVariableError."""
    check_environment(os.environ, Settings.model_fields)
    given = {"engine": options.engine, "precision": options.precision, "max_batch": options.batch}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def open_detector(options: argparse.Namespace, settings: Settings) -> Detector:
    """The detector that the options ask for; raises BundleError and EngineError."""
    return Detector.open(
        options.bundle,
        settings=settings,
        score_threshold=options.score_threshold,
        max_detections=options.max_detections,
        tile=options.tile,
    )


def command_to_go_on(arguments: Sequence[str]) -> str:
    """The same command, without the option that would begin again."""
    words = [word for word in arguments if word != "--restart"]
    return f"{named('python -m service.detect')} {shlex.join(words)}"


def fail(message: str, *, status: int = 1) -> int:
    """Print the error in one sentence -> exit status."""
    print(f"detect: {named(message)}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
