"""Logs when a model's engine fails or hangs, and probes a failing engine until it works again."""

import logging

from service.repository.repository import Repository

logger = logging.getLogger("singleshot")


class Watchdog:
    """Asks each model for its trouble at each call of `look`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._troubles: dict[str, str] = {}

    async def look(self) -> None:
        """Log the changes, and probe each failing model with its golden image: no request may reach it otherwise."""
        for model in self._repository.models:
            if model.trouble is not None and not model.is_stuck:
                await model.probe()
        troubles = {
            f"{model.name} {model.version}": model.trouble for model in self._repository.models if model.trouble
        }
        for name in troubles.keys() - self._troubles.keys():
            logger.error("%s is in trouble: %s", name, troubles[name])
        for name in self._troubles.keys() - troubles.keys():
            logger.warning("%s works again", name)
        self._troubles = troubles
