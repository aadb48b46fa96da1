"""What is wrong with the directories of bundles, in the metrics and in the log."""

import logging

from service.repository.slot import FAULTS, Fault, Signature, Slot
from service.telemetry.metrics import Metrics

MISSING_LOOKS = 2  # looks in a row without the directory after which it is missing: a new one may be moving in

logger = logging.getLogger("singleshot")


class BundleFaults:
    """Sets the faults of slots. The metric of a fault stays 1 as long as the fault does."""

    def __init__(self, metrics: Metrics) -> None:
        self._metric = metrics.bundle_fault

    def begin(self, slot: Slot, fault: Fault, reason: str) -> None:
        """The directory's content is refused, or the directory is missing."""
        stays = "; the old model stays" if slot.model is not None else ""
        fields = {"event": f"bundle_{fault}", "bundle": slot.place, "model": slot.label}
        logger.error("a bundle is %s: %s%s", fault, reason, stays, extra=fields)
        self._set(slot, fault, reason)

    def end(self, slot: Slot, reason: str = "") -> None:
        """The directory's content is served, or for this reason nothing is expected of it."""
        if slot.fault is not None and not slot.is_unloaded:
            fields = {"event": "bundle_back", "bundle": slot.place, "model": slot.label}
            logger.info("%s: the bundle is served again", slot.place, extra=fields)
        self._set(slot, None, reason)

    def look(self, slot: Slot, signature: Signature) -> None:
        """Note that a directory is missing, or that it is back with the files that it had."""
        slot.num_missing = 0 if signature else slot.num_missing + 1
        if slot.num_missing == MISSING_LOOKS and slot.fault != "missing":
            if slot.fault == "refused":
                slot.signature = signature  # so that it is refused again when it is back
            self.begin(slot, "missing", f"{slot.path}: the directory is missing or cannot be read")
        elif signature and signature == slot.signature and slot.fault == "missing" and slot.model is not None:
            self.end(slot)

    def _set(self, slot: Slot, fault: Fault | None, reason: str) -> None:
        slot.fault, slot.reason = fault, reason
        self._metric.remove_by_labels({"bundle": slot.place})  # the label of the model may have changed
        for kind in FAULTS:
            self._metric.labels(slot.place, slot.label, kind).set(kind == fault)
