"""Notices models whose engine fails or hangs, says so in the log, and asks a failing one whether it works again."""

import logging

from service.repository.repository import Repository

logger = logging.getLogger("singleshot")


class Watchdog:
    """Whether a model is in trouble is the model's to say; this one looks, regularly called by the server."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._troubles: dict[str, str] = {}

    async def look(self) -> None:
        """Report what has changed. A failing model gets its golden image to detect: traffic no longer comes by itself."""
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
