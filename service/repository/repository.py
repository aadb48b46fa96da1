"""The models that are served: chosen by name and version, and loaded again while the server runs."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from service.bundle import BundleError, check_files, read_manifest
from service.engines.protocol import EngineError, EngineName
from service.fetch.remote_bundle import fetch_bundle
from service.repository.aliases import Aliases
from service.repository.bundle_faults import BundleFaults
from service.repository.served_model import ServedModel
from service.repository.slot import Slot, check_place, find_bundles, signature_of
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")


class ModelNotFoundError(Exception):
    """A request names a model or a version that is not loaded; the message lists those that are."""


class LoadRefusedError(Exception):
    """A bundle cannot be loaded or unloaded on request; the message says why."""


class ModelUnavailableError(Exception):
    """A request is for a model whose bundle is refused, and no older one is loaded; the message says why."""


class Repository:
    """The bundles of `settings`, opened with `open_model`, which raises BundleError and EngineError.

    The first bundle is the default. A bundle that is refused at the start does not keep the others from being served;
    the constructor raises its error only if none is served, or if `strict_bundles` is set. It raises AliasError if
    `serve_as` does not fit the models. After construction, one event loop changes the repository.
    """

    def __init__(self, settings: Settings, open_model: Callable[..., ServedModel], metrics: Metrics) -> None:
        self._open_model = open_model
        self._metrics = metrics
        self._faults = BundleFaults(metrics)
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self.slots: list[Slot] = []
        self.aliases = Aliases((), self.slots)  # until the models are known
        errors = [
            self._add(path, url, is_canary, settings)
            for names, is_canary in ((settings.bundles, False), (settings.canaries, True))
            for path, url in (find_bundles(names, settings.bundle_copies) if names or not is_canary else [])
        ]
        error = next((error for error in errors if error is not None), None)
        if error is not None and not self.models:
            raise error
        self.aliases = Aliases(settings.serve_as, self.slots)
        self.aliases.check()
        self._show_shares()

    @property
    def models(self) -> list[ServedModel]:
        """The loaded models, canaries included; the default is the first."""
        return [slot.model for slot in self.slots if slot.model is not None]

    @property
    def default(self) -> ServedModel | None:
        """The model that answers requests without a name; None if its bundle is refused or none is loaded."""
        slot = self._default_slot
        return slot.model if slot is not None else None

    def choose(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model that detects in the next images; two versions of a model share them.

        Raises ModelNotFoundError and ModelUnavailableError.
        """
        if name is None and len(self.slots) == 1 and version is None and self.slots[0].model is not None:
            return self.slots[0].model
        try:
            model = self.find(name, version)
        except ModelUnavailableError:
            self._metrics.no_model.rejected["bundle"].inc()
            raise
        slots = [slot for slot in self.slots if slot.name == model.name and slot.model is not None]
        canary = slots[-1]
        if version is None and len(slots) > 1 and canary.model is not None and canary.model.trouble is None:
            canary.credit += canary.canary_share
            if canary.credit >= 1:
                canary.credit -= 1
                return canary.model
        return model

    def find(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model of that name or alias, and version; without them the default, and the version that is no canary.

        Raises ModelNotFoundError and ModelUnavailableError.
        """
        default = self._default_slot
        if name is None and default is not None:
            if version is None:
                return self._check_available(default)
            name = default.label
        if name is not None:
            name = self.aliases.model_of(name)
        models = [model for model in self.models if model.name == name]
        mains = [slot for slot in self.slots if slot.label == name and not (slot.is_canary or slot.is_unloaded)]
        if mains and (version is None or not models):
            main = next((slot for slot in mains if slot.model is not None), mains[0])
            return self._check_available(main)
        if not models:
            known = [known for own in self.names() for known in (own, *self.aliases.of_model(own))]
            raise ModelNotFoundError(f"no model has that name; there are {', '.join(known) or 'none'}")
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
        """Load the bundles of that name again, also after `unload`, and fetch remote ones again if they changed.

        Raises LoadRefusedError if one is refused.
        """
        async with self._changing:
            for slot in self._named(name):
                await self._reload(slot, fetch=True)
                slot.is_unloaded = False  # not before, so that the next model is the default meanwhile
                if slot.fault is not None:
                    raise LoadRefusedError(f"{name}: {slot.reason}")

    async def unload(self, name: str) -> None:
        """Stop serving the models of that name; accepted requests are still answered. Raises LoadRefusedError."""
        async with self._changing:
            for slot in self._named(name):
                if slot.model is not None:
                    self._retire(slot.model)
                    fields = {"event": "unloaded", "bundle": slot.place, "model": slot.name}
                    logger.info("unloaded %s", slot.name, extra=fields)
                slot.model, slot.is_unloaded = None, True
                self._faults.end(slot, "unloaded")
            self._show_shares()

    async def poll(self) -> None:
        """Load each bundle that changed on disk; if one is refused, the old model stays."""
        async with self._changing:
            is_any_new = False
            for slot in self.slots:
                if slot.is_unloaded:
                    continue
                signature = await asyncio.to_thread(signature_of, slot.path)
                self._faults.look(slot, signature)
                if signature and signature != slot.signature:
                    is_any_new |= await self._reload(slot)
            for slot in self.slots if is_any_new else ():
                if slot.fault == "refused":  # perhaps for the old version of another
                    await self._reload(slot)

    async def upgrade(self, slot: Slot, engine: EngineName) -> None:
        """Serve the slot's bundle with this engine; raises any error of opening it, and then the old model stays."""
        async with self._changing:
            if slot.model is not None:
                self._replace(slot, await asyncio.to_thread(self._open, slot, engine))

    async def close(self) -> None:
        """Answer the accepted requests and free all engines."""
        for model in self.models:
            self._retire(model)
        await asyncio.gather(*self._retiring)

    @property
    def _default_slot(self) -> Slot | None:
        """The first slot that is not unloaded."""
        return next((slot for slot in self.slots if not slot.is_unloaded), None)

    def _check_available(self, slot: Slot) -> ServedModel:
        if slot.model is None:
            raise ModelUnavailableError(f"the model {slot.label} is not served: {slot.reason}")
        return slot.model

    def _add(self, path: Path, url: str, is_canary: bool, settings: Settings) -> Exception | None:
        """Open a bundle at the start -> the error for which it is refused."""
        share = settings.canary_share if is_canary else 0.0
        slot = Slot(path, is_canary, share, signature_of(path), url=url)
        self.slots.append(slot)
        try:
            if url:
                fetch_bundle(url, path)
                slot.signature = signature_of(path)
            slot.model = self._open_safely(slot)
        except (BundleError, EngineError, OSError) as error:
            if settings.strict_bundles:
                raise
            self._faults.begin(slot, "refused" if slot.signature else "missing", str(error))
            return error
        self._faults.end(slot)
        return None

    def _open(self, slot: Slot, engine: EngineName | None = None) -> ServedModel:
        """Open what the directory holds. Raises BundleError, EngineError, OSError and others."""
        manifest = read_manifest(slot.path)
        check_place(slot, manifest, self.slots)
        self.aliases.check_name(manifest.name, slot)
        slot.name = manifest.name  # known from now on, also if a file is bad
        return self._open_model(check_files(slot.path, manifest), engine)

    def _open_safely(self, slot: Slot) -> ServedModel:
        """Open what the directory holds. Raises BundleError, EngineError and OSError."""
        try:
            return self._open(slot)
        except (BundleError, EngineError, OSError):
            raise
        except Exception as error:  # an engine may raise any error, and so may a golden image
            raise EngineError(f"{slot.path}: it cannot be served: {type(error).__name__}: {error}") from error

    def _show_shares(self) -> None:
        """Report which share of its model's requests each version gets."""
        self._metrics.model_share.clear()
        for slot in self.slots:
            if slot.model is not None:
                self._metrics.model_share.labels(slot.name, slot.model.version).set(self.share_of(slot))

    def share_of(self, slot: Slot) -> float:
        """The share of the requests for the model of a slot, without a version, that this slot gets."""
        loaded = [other for other in self.slots if other.name == slot.name and other.model is not None]
        if len(loaded) < 2:
            return 1.0
        return slot.canary_share if slot.is_canary else 1 - sum(other.canary_share for other in loaded)

    def _named(self, name: str) -> list[Slot]:
        name = self.aliases.model_of(name)
        slots = [slot for slot in self.slots if slot.label == name]
        if not slots:
            known = dict.fromkeys(slot.label for slot in self.slots)  # a canary has the name of its model
            raise LoadRefusedError(f"no bundle has that name; there are {', '.join(known)}")
        return slots

    async def _reload(self, slot: Slot, *, fetch: bool = False) -> bool:
        """Serve what the directory holds now -> whether that is possible; the old model stays otherwise."""
        reason = ""
        try:
            if fetch and slot.url:
                await asyncio.to_thread(fetch_bundle, slot.url, slot.path)
            slot.signature = await asyncio.to_thread(signature_of, slot.path)
            model = await asyncio.to_thread(self._open_safely, slot)
            if slot.model is not None and slot.model.engine.device != "cpu" and model.engine.device == "cpu":
                model.engine.close()
                raise EngineError(f"{slot.path}: it would leave the GPU for the CPU: {model.engine_note}")
        except (BundleError, EngineError, OSError) as error:
            reason = str(error)
        self._metrics.model_loads.labels(slot.label, "refused" if reason else "loaded").inc()
        if reason:
            self._faults.begin(slot, "refused" if slot.signature else "missing", reason)
            return False
        self._replace(slot, model)
        self._faults.end(slot)
        fields = {"event": "loaded", "bundle": slot.place, "model": slot.name, "version": model.version}
        logger.info("loaded %s version %s from %s", slot.name, model.version, slot.place, extra=fields)
        return True

    def _replace(self, slot: Slot, model: ServedModel) -> None:
        if slot.model is not None:
            self._retire(slot.model)
        model.start()
        slot.model = model
        self._show_shares()

    def _retire(self, model: ServedModel) -> None:
        model.withdraw()
        task = asyncio.create_task(model.close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
