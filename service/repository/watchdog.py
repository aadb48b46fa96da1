"""Logs when a model's engine fails or hangs, probes a failing engine, and notices when only a restart helps."""

import logging

from service.repository.repository import Repository
from service.repository.served_model import ServedModel

logger = logging.getLogger("singleshot")


class Watchdog:
    """Asks each model for its trouble at each call of `look`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._troubles: dict[str, str] = {}
        self._dead: set[ServedModel] = set()
        self.needs_restart = False  # a model needed a restart at the last two looks: a process that was paused does not

    async def look(self) -> None:
        """Log the changes, and probe each failing model with its golden image: no request may reach it otherwise."""
        for model in self._repository.models:
            if model.trouble is not None and not model.needs_restart:
                await model.probe()
        dead = {model for model in self._repository.models if model.needs_restart}
        self.needs_restart |= bool(dead & self._dead)
        self._dead = dead
        troubles = {
            f"{model.name} {model.version}": model.trouble for model in self._repository.models if model.trouble
        }
        for name in troubles.keys() - self._troubles.keys():
            logger.error("%s is in trouble: %s", name, troubles[name], extra={"event": "trouble"})
        for name in self._troubles.keys() - troubles.keys():
            logger.warning("%s works again", name, extra={"event": "recovered"})
        self._troubles = troubles
