"""Builds the TensorRT engines that the served bundles lack, in another process, while another engine serves.

The process is `python -m export engine BUNDLE --cache DIRECTORY`: TensorRT may end its interpreter, and reading the
model needs onnx, which the server does not import. When the engine is in the cache, the bundle is loaded again, like
one that changed on disk: the new engine must find the golden detections, and no request is lost.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from service.bundle import Bundle
from service.detection.golden import GoldenError
from service.engines.gpu import has_gpu
from service.engines.protocol import DeviceLostError
from service.engines.tensorrt.cache import EngineCache, EngineKey
from service.engines.tensorrt.choose import Flavour, installed_versions, wanted_key
from service.engines.tensorrt.cuda import CudaError, gpu_target
from service.repository.repository import Repository
from service.repository.slot import Slot
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")

LOOK_SECONDS = 2.0
LOGGED_SHARE = 0.2  # of a build, between two lines of the log
MAX_LOGGED = 4000  # characters of the output of a failed build
END_SECONDS = 3.0  # that a build has to end in
ROOT = Path(__file__).parents[2]  # of the packages: `export` is beside `service`


class BuildError(Exception):
    """An engine that cannot be built; the message says why."""


@dataclass(frozen=True)
class Machine:
    """The architecture of the GPU, and the TensorRT that builds for it."""

    target: str
    flavour: Flavour
    version: str


def find_machine() -> Machine:
    """What this machine builds with; raises BuildError with the reason if it cannot build."""
    try:
        target = gpu_target()
    except CudaError as error:
        raise BuildError(str(error)) from error
    versions = installed_versions()
    if not versions:
        raise BuildError("TensorRT is not installed; install it with `pip install '.[tensorrt]'`")
    missing = [package for package in ("export", "onnx") if find_spec(package) is None]
    if missing:
        raise BuildError(f"{' and '.join(missing)} not installed; install with `pip install '.[tensorrt]'`")
    flavour: Flavour = "tensorrt" if "tensorrt" in versions else "tensorrt_rtx"
    return Machine(target, flavour, versions[flavour])


def build_command(bundle: Path, key: EngineKey, cache: Path) -> list[str]:
    """The command that builds the engine of `key` into the cache and prints `progress DONE TOTAL PHASE`."""
    file = key.file
    options = ["--flavour", file.flavour, "--precision", file.precision, "--max-batch", str(file.max_batch)]
    command = [sys.executable, "-m", "export", "engine", str(bundle.absolute()), "--cache", str(cache.absolute())]
    return [*command, *options, "--background"]


def wait_for_end(pid: int) -> None:
    """Wait until a child process ends. asyncio's `wait` also waits for what the child left behind with its pipes."""
    with contextlib.suppress(ChildProcessError):  # asyncio was first
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def end_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


class EngineBuilds:
    """Looks for models without a TensorRT engine, and builds their engines one after the other.

    A build that fails is not tried again before the next start. If several servers share a cache, one of them builds.
    """

    def __init__(
        self,
        repository: Repository,
        settings: Settings,
        metrics: Metrics,
        *,
        command: Callable[[Path, EngineKey, Path], Sequence[str]] = build_command,
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._metrics = metrics
        self._command = command
        self._cache = EngineCache(settings.engine_cache)
        self._failed: dict[str, str] = {}  # the names of engines whose build failed, and the reasons
        self._tried: set[tuple[Path, str]] = set()  # the bundles and the engines that were opened: one may not work

    async def run(self) -> None:
        """Look at intervals until cancelled, which also ends a build; return at once if this machine cannot build."""
        if self._settings.engine != "auto" or not has_gpu():
            return
        try:
            if not self._settings.engine_build:
                raise BuildError("SINGLESHOT_ENGINE_BUILD is false")
            machine = await asyncio.to_thread(find_machine)
        except BuildError as error:
            models = [
                model
                for model in self._repository.models
                if model.engine.name != "tensorrt" and str(error) not in model.engine_note
            ]
            for model in models:
                model.build_note = f"no TensorRT engine is built: {error}"
            if models:
                logger.warning("this server builds no TensorRT engines: %s", error)
            return
        while True:
            try:
                await self.look(machine)
            except Exception:
                logger.exception("the look for missing TensorRT engines failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, machine: Machine) -> None:
        """Provide each model that has no TensorRT engine with one."""
        settings = self._settings
        for slot in self._repository.slots:
            if slot.model is None or slot.model.engine.name == "tensorrt":
                continue
            bundle = Bundle(slot.path, slot.model.manifest)
            key = wanted_key(
                bundle, machine.flavour, machine.version, machine.target, settings.precision, settings.max_batch
            )
            if key is not None and (slot.path, key.name) not in self._tried:
                await self._provide(slot, key)

    async def _provide(self, slot: Slot, key: EngineKey) -> None:
        """Find the engine in the cache or build it, and serve the slot's bundle with it."""
        if slot.model is not None and slot.model.engine.device != "cpu":
            slot.model.engine_note = ""  # it says that there is no TensorRT engine
        refused = self._cache.set_aside_path(key)
        try:
            if await asyncio.to_thread(self._cache.find, key) is None:
                if key.name in self._failed:  # another server may still succeed
                    self._note(slot, f"no TensorRT engine was built: {self._failed[key.name]}")
                    return
                if refused.exists():
                    raise BuildError(f"it was built and refused; delete {refused} to build it again")
                with self._cache.building(key) as lock:
                    if lock is None:
                        self._note(slot, "another server builds the TensorRT engine")
                        return
                    if await asyncio.to_thread(self._cache.find, key) is None:
                        await self._build(slot, key, lock)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}; set SINGLESHOT_ENGINE_CACHE to a writable directory"
            self._fail(slot, key, reason)
        except BuildError as error:
            self._fail(slot, key, str(error))
        else:
            self._tried.add((slot.path, key.name))
            await self._use(slot, key)

    async def _use(self, slot: Slot, key: EngineKey) -> None:
        """Swap the engine in. If it does not work, the present one goes on serving."""
        try:
            await self._repository.upgrade(slot, "tensorrt")
        except Exception as error:  # an engine may raise any error
            reason = f"{error or type(error).__name__}"
            if isinstance(error, (GoldenError, DeviceLostError)):
                reason += f"; it is now {self._cache.set_aside(key)}"
            self._metrics.engine_builds.labels(slot.name, "refused").inc()
            self._note(slot, f"the TensorRT engine does not work: {reason}")
            logger.error(
                "%s: its TensorRT engine does not work: %s; the present one goes on serving", slot.name, reason
            )
            if isinstance(error, DeviceLostError) and slot.model is not None:
                slot.model.lose_device()  # the present engine's too: it is the same GPU in the same process
        else:
            self._metrics.engine_builds.labels(slot.name, "built").inc()
            logger.warning("%s: TensorRT serves now", slot.name)

    async def _build(self, slot: Slot, key: EngineKey, lock: int) -> None:
        """Run the build's process to its end; raises BuildError and OSError."""
        if others := self._cache.others(key):
            logger.warning("%s: the cache has %s, which do not fit here", slot.name, ", ".join(others))
        logger.warning(
            "%s: building its TensorRT engine (%s %s, %s, %s); another engine serves meanwhile",
            slot.name, key.file.flavour, key.file.version, key.file.compute_capability, key.file.precision,
        )  # fmt: skip
        self._report(slot, 0.0)
        process = await asyncio.create_subprocess_exec(
            *self._command(slot.path, key, self._cache.path),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # so that the processes that it starts end with it
            pass_fds=(lock,),  # if this server is killed, the claim lasts as long as the build
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        following = asyncio.create_task(self._follow(slot, process.stdout))
        ended = asyncio.create_task(asyncio.to_thread(wait_for_end, process.pid))
        try:
            await asyncio.shield(ended)
        finally:
            end_group(process.pid, signal.SIGTERM)  # also what it started; it removes its scratch files
            await asyncio.wait([ended], timeout=END_SECONDS)
            end_group(process.pid, signal.SIGKILL)
            status = await process.wait()
            await following
            told = (await errors).decode(errors="replace")
            with contextlib.suppress(KeyError):
                self._metrics.engine_build_progress.remove(slot.name)
        *lines, last = told.strip().splitlines() or [""]
        if status and lines:  # what TensorRT says before it ends its process
            logger.warning("%s: the output of the failed build: %s", slot.name, "\n".join(lines)[-MAX_LOGGED:])
        if status < 0:
            raise BuildError(f"its process was killed by {signal.Signals(-status).name}")
        if status:
            raise BuildError(last.removeprefix("export: ") or f"its process ended with status {status}")
        self._note(slot, "")
        logger.warning("%s: its TensorRT engine is built", slot.name)

    async def _follow(self, slot: Slot, output: asyncio.StreamReader) -> None:
        """Report the lines `progress DONE TOTAL PHASE` until the output ends."""
        logged = 0.0
        async for line in output:
            match line.decode(errors="replace").split():
                case ["progress", done, total, *phase] if done.isdecimal() and total.isdecimal() and int(total):
                    share = int(done) / int(total)
                    self._report(slot, share)
                    if share >= logged + LOGGED_SHARE:
                        logged = share
                        logger.warning(
                            "%s: %.0f %% of its TensorRT engine (%s)", slot.name, 100 * share, " ".join(phase)
                        )

    def _report(self, slot: Slot, share: float) -> None:
        self._metrics.engine_build_progress.labels(slot.name).set(share)
        self._note(slot, f"its TensorRT engine is being built: {share:.0%}")

    def _fail(self, slot: Slot, key: EngineKey, reason: str) -> None:
        self._failed[key.name] = reason
        self._metrics.engine_builds.labels(slot.name, "failed").inc()
        self._note(slot, f"no TensorRT engine was built: {reason}")
        logger.error("%s: no TensorRT engine was built: %s; the present engine goes on serving", slot.name, reason)

    def _note(self, slot: Slot, note: str) -> None:
        if slot.model is not None:
            slot.model.build_note = note
