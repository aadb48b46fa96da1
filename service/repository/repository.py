"""The models that are served: chosen by name and version, and loaded again while the server runs."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.bundle import BundleError, read_bundle
from service.engines.protocol import EngineError, EngineName
from service.repository.served_model import ServedModel
from service.settings import DEFAULT_BUNDLES, Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")


class ModelNotFoundError(Exception):
    """A request names a model or a version that is not loaded; the message lists those that are."""


class LoadRefusedError(Exception):
    """A bundle cannot be loaded or unloaded on request; the message says why."""


Signature = frozenset[tuple[str, int, int, int]]  # (file, time of change, size, inode)


@dataclass
class Slot:
    """A directory with a bundle, and the model that was last loaded from it; None while it is unloaded.

    A canary is another version of the model of another slot; it gets `share` of the requests. `reason` says why the
    newest bundle is not served.
    """

    path: Path
    name: str
    model: ServedModel | None
    signature: Signature
    is_canary: bool
    share: float
    reason: str = ""
    credit: float = 0.0  # of a canary: at 1 it gets a request


class Repository:
    """The bundles of `settings`, opened with `open_model`, which raises BundleError and EngineError.

    The first bundle is the default. After construction, one event loop changes the repository.
    """

    def __init__(self, settings: Settings, open_model: Callable[..., ServedModel], metrics: Metrics) -> None:
        self._open_model = open_model
        self._metrics = metrics
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self.slots: list[Slot] = []
        paths = find_bundles(settings.bundles)
        canaries = find_bundles(settings.canaries) if settings.canaries else []
        for path, is_canary in [(path, False) for path in paths] + [(path, True) for path in canaries]:
            self._add(path, is_canary, settings.canary_share)

    @property
    def models(self) -> list[ServedModel]:
        """The loaded models, canaries included; the default is the first."""
        return [slot.model for slot in self.slots if slot.model is not None]

    @property
    def default(self) -> ServedModel | None:
        """The model that answers requests without a name; None if none is loaded."""
        return next((slot.model for slot in self.slots if slot.model is not None), None)

    def choose(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model that detects in the next images; two versions of a model share them. Raises ModelNotFoundError."""
        if name is None and len(self.slots) == 1 and version is None and self.slots[0].model is not None:
            return self.slots[0].model
        model = self.find(name, version)
        slots = [slot for slot in self.slots if slot.name == model.name and slot.model is not None]
        canary = slots[-1]
        if version is None and len(slots) > 1 and canary.model is not None and canary.model.trouble is None:
            canary.credit += canary.share
            if canary.credit >= 1:
                canary.credit -= 1
                return canary.model
        return model

    def find(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model of that name and version; without them the default model, and the version that is no canary.

        Raises ModelNotFoundError.
        """
        models = self.models
        if name is None and models:
            name = models[0].name
        models = [model for model in models if model.name == name]
        if not models:
            raise ModelNotFoundError(f"no model has that name; there are {', '.join(self.names()) or 'none'}")
        if version is None:
            return models[0]
        found = next((model for model in models if model.version == version), None)
        if found is None:
            raise ModelNotFoundError(f"{name} has no such version; there are {', '.join(m.version for m in models)}")
        return found

    def names(self) -> list[str]:
        """The names of the loaded models."""
        return list(dict.fromkeys(model.name for model in self.models))

    def versions(self, name: str) -> list[str]:
        """The loaded versions of a model."""
        return [model.version for model in self.models if model.name == name]

    async def load(self, name: str) -> None:
        """Load the bundles of that name again, also after `unload`; raises LoadRefusedError if one is refused."""
        async with self._changing:
            for slot in self._named(name):
                await self._reload(slot)
                if slot.reason:
                    raise LoadRefusedError(f"{name}: {slot.reason}")

    async def unload(self, name: str) -> None:
        """Stop serving the models of that name; accepted requests are still answered. Raises LoadRefusedError."""
        async with self._changing:
            for slot in self._named(name):
                if slot.model is not None:
                    self._retire(slot.model)
                slot.model, slot.reason = None, "unloaded"

    async def poll(self) -> None:
        """Load each bundle that changed on disk; if one is refused, the old model stays."""
        async with self._changing:
            for slot in self.slots:
                signature = await asyncio.to_thread(signature_of, slot.path)
                if slot.model is not None and signature and signature != slot.signature:
                    await self._reload(slot)

    async def upgrade(self, slot: Slot, engine: EngineName) -> None:
        """Serve the slot's bundle with this engine; raises any error of opening it, and then the old model stays."""
        async with self._changing:
            if slot.model is not None:
                self._replace(slot, await asyncio.to_thread(self._open_again, slot, engine))

    async def close(self) -> None:
        """Answer the accepted requests and free all engines."""
        for model in self.models:
            self._retire(model)
        await asyncio.gather(*self._retiring)

    def _add(self, path: Path, is_canary: bool, share: float) -> None:
        signature = signature_of(path)
        bundle = read_bundle(path)
        name = bundle.manifest.name
        same = [slot for slot in self.slots if slot.name == name]
        if is_canary and len(same) != 1:
            what = "no model of that name" if not same else "a canary of it already"
            raise BundleError(
                f"{path}: it should be a canary of {name}, but there is {what}; see --bundle and --canary"
            )
        if same and not is_canary:
            raise BundleError(f"{path}: a model named {name} is served already; export it under another name")
        if any(slot.model is not None and slot.model.version == bundle.manifest.version for slot in same):
            raise BundleError(
                f"{path}: version {bundle.manifest.version} of {name} is served already; "
                "export it with another --version"
            )
        self._metrics.queue_depth.labels(name).set_function(lambda: self._depth(name))
        self.slots.append(Slot(path, name, self._open_model(bundle), signature, is_canary, share if is_canary else 1.0))
        if is_canary:
            same[0].share = 1 - share

    def _depth(self, name: str) -> int:
        return sum(model.depth for model in self.models if model.name == name)

    def _named(self, name: str) -> list[Slot]:
        slots = [slot for slot in self.slots if slot.name == name]
        if not slots:
            raise LoadRefusedError(f"no bundle has that name; there are {', '.join(slot.name for slot in self.slots)}")
        return slots

    async def _reload(self, slot: Slot) -> None:
        slot.signature = await asyncio.to_thread(signature_of, slot.path)
        try:
            model = await asyncio.to_thread(self._open_again, slot)
            if slot.model is not None and slot.model.engine.device != "cpu" and model.engine.device == "cpu":
                model.engine.close()
                raise EngineError(f"{slot.path}: it would leave the GPU for the CPU: {model.engine_note}")
        except (BundleError, EngineError, OSError) as error:
            slot.reason = str(error)
        except Exception as error:  # an engine may raise any error, and the old model must stay
            slot.reason = f"{slot.path}: the engine failed on it: {type(error).__name__}: {error}"
        else:
            self._replace(slot, model)
            slot.reason = ""
            logger.info("loaded %s version %s from %s", slot.name, model.version, slot.path)
        self._metrics.model_loads.labels(slot.name, "refused" if slot.reason else "loaded").inc()
        if slot.reason:
            logger.error(
                "refused a bundle: %s%s", slot.reason, "; the old model stays" if slot.model is not None else ""
            )

    def _replace(self, slot: Slot, model: ServedModel) -> None:
        if slot.model is not None:
            self._retire(slot.model)
        model.start()
        slot.model = model

    def _open_again(self, slot: Slot, engine: EngineName | None = None) -> ServedModel:
        bundle = read_bundle(slot.path)
        if bundle.manifest.name != slot.name:
            raise BundleError(
                f"{slot.path}: its name is {bundle.manifest.name}, it was {slot.name}; restart to serve it"
            )
        return self._open_model(bundle, engine)

    def _retire(self, model: ServedModel) -> None:
        model.withdraw()
        task = asyncio.create_task(model.close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def signature_of(path: Path) -> Signature:
    """A value that changes with each file of the directory; empty if the directory does not exist."""

    def stats() -> Iterator[tuple[str, int, int, int]]:
        for file in path.iterdir():
            found = file.stat()
            yield file.name, found.st_mtime_ns, found.st_size, found.st_ino

    try:
        return frozenset(stats())
    except OSError:  # the directory is being replaced
        return frozenset()


def find_bundles(names: Sequence[str]) -> list[Path]:
    """The directories of the bundles; the name `default` means the packaged ones. Raises BundleError."""
    paths: list[Path] = []
    for name in names:
        if name == "default":
            packaged = sorted(path.parent for path in DEFAULT_BUNDLES.glob("*/manifest.json"))
            if not packaged:
                raise BundleError(
                    f"{DEFAULT_BUNDLES}: no bundle is packaged with this server; name one with --bundle DIR"
                )
            paths += packaged
        else:
            paths.append(Path(name))
    if not paths:
        raise BundleError("no bundle to serve; name one with --bundle DIR")
    return paths
