"""The further names of served models, by which clients may ask for them too."""

from collections.abc import Sequence

from service.bundle import BundleError
from service.repository.slot import Slot


class AliasError(Exception):
    """The setting `serve_as` does not fit the served models; the message names the entry and the remedy."""


class Aliases:
    """The aliases of the setting `serve_as`: an entry is MODEL=NAME, or NAME for the model of the first bundle.

    `slots` is the repository's own list. An alias belongs to its model also while the model's bundle is refused, and
    after it is loaded again.
    """

    def __init__(self, serve_as: Sequence[str], slots: Sequence[Slot]) -> None:
        self._slots = slots
        parts = [entry.rpartition("=") for entry in serve_as]
        self._pairs = [(alias, model) for model, _, alias in parts]  # an empty model is that of the first bundle
        self._models = dict(self._pairs)

    def model_of(self, name: str) -> str:
        """The name of the model that has the alias `name`; another name is returned as it is."""
        model = self._models.get(name)
        return name if model is None else self._named(model)

    def of_model(self, name: str) -> list[str]:
        """The aliases of a model, in the order of the setting, without its own name."""
        return [alias for alias, model in self._models.items() if self._named(model) == name and alias != name]

    def check(self) -> None:
        """Raise AliasError if an alias is for no model, or if a name means two models."""
        names = list(dict.fromkeys(slot.label for slot in self._slots))
        has_all_names = all(slot.name for slot in self._slots)  # else a refused bundle may have any name
        for alias, model in self._pairs:
            own = self._named(model)
            if own not in names and has_all_names:
                raise AliasError(f"--serve-as {own}={alias}: no model is named {own}; there are {', '.join(names)}")
            if alias in names and alias != own:
                raise AliasError(f"--serve-as {alias}: a model has that name already; give {own} another alias")
            if (other := self.model_of(alias)) != own:
                raise AliasError(f"--serve-as {alias}: it is given to {own} and to {other}; choose one of them")

    def check_name(self, name: str, slot: Slot) -> None:
        """Raise BundleError if `name`, that of the new bundle in `slot`, is the alias of another model."""
        own = self.model_of(name)
        is_own = self._models.get(name) == "" and slot is self._slots[0]  # the first bundle's name may be a new one
        if own != name and not is_own:
            raise BundleError(f"{slot.path}: its name {name} is an alias of {own}; change --serve-as and restart")

    def _named(self, model: str) -> str:
        return model or self._slots[0].label
