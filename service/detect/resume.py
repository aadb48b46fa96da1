"""Going on with an earlier run of the same output, or beginning a new one."""

from collections.abc import Sequence

from service.detect.journal import Journal
from service.detect.outputs.format import OutputError
from service.detect.outputs.place import OutputPlace, check_apart, check_outside
from service.detect.record import Record, check_record, read_record, write_record
from service.detect.sources import Source
from service.settings import Settings


def find_run(place: OutputPlace, sources: Sequence[Source], *, is_restarted: bool) -> Record | None:
    """The record of the earlier run of this output, None for a new one. Raises OutputError if neither can be written.

    A new one does not replace files of others, unless it `is_restarted`.
    """
    out = place.out
    if place.format.is_folder:
        for source in sources:
            check_outside(out, source.name, source.root)
        check_apart(place)
    if out.exists() and out.is_dir() != place.format.is_folder:
        kind = "a file" if place.format.is_folder else "a folder"
        raise OutputError(f"{out}: it is {kind}, and {place.format.name} is not; choose another --out or --format")
    before = None if is_restarted else read_record(place.record)
    is_used = (
        any(path.name not in place.begun or path.stat().st_size for path in out.iterdir())
        if out.is_dir()
        else out.exists() and out.stat().st_size > 0
    )
    if before is None and is_used and not is_restarted:
        raise OutputError(f"{out}: it exists, and no run of this command wrote it; choose another --out, or --restart")
    return before


def same_engine(settings: Settings, before: Record | None) -> Settings:
    """The settings with the engine and the precision of the earlier run, if they leave these open.

    Which precision is the fastest is measured, and another one would give other results.
    """
    if before is None:
        return settings
    chosen = {"engine": before.get("engine"), "precision": before.get("precision")}
    changes = {name: value for name, value in chosen.items() if getattr(settings, name) == "auto"}
    return settings.model_copy(update=changes)


def open_journal(place: OutputPlace, before: Record | None, now: Record, *, is_restarted: bool) -> Journal:
    """The journal to append to. Raises OutputError if the settings differ from those `before`, and JournalError."""
    if before is not None:
        check_record(place.out, before, now)
    try:
        place.journal.parent.mkdir(parents=True, exist_ok=True)
        journal = Journal(place.journal, is_new=is_restarted)
        try:
            if not is_restarted and read_record(place.record) != before:
                raise OutputError(f"{place.out}: another run wrote it meanwhile; give the same command again")
            if before is None:
                write_record(place.record, now)
        except BaseException:
            journal.close()
            raise
    except OSError as error:
        raise OutputError(f"{place.out}: it cannot be written: {error.strerror}; choose another --out") from error
    return journal
