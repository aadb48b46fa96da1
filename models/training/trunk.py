"""Freezes the pretrained layers of a model in the first epochs: the gradients of new layers would harm them."""

from models.backbones.pretrained import new_parts
from models.passd.passd import PASSD
from models.retinanet.retinanet import RetinaNet


class Trunk:
    """The base network of a model without its extra blocks, which are new."""

    def __init__(self, model: PASSD | RetinaNet) -> None:
        new = new_parts(model.backbone)
        self.parts = [part for name, part in model.backbone.named_children() if not f"{name}.".startswith(new)]
        self.parameters = [p for part in self.parts for p in part.parameters() if p.requires_grad]
        self.is_frozen = False

    def freeze(self, is_frozen: bool) -> bool:
        """Exclude the trunk from training or include it -> whether that changed the parameters with gradients.

        If it did, DistributedDataParallel needs to wrap the model again.
        """
        if is_frozen == self.is_frozen:
            return False
        self.is_frozen = is_frozen
        for parameter in self.parameters:
            parameter.requires_grad_(not is_frozen)
        return True

    def fix_statistics(self) -> None:
        """Keep the statistics of the norms of a frozen trunk, after the model has been set to training mode."""
        if self.is_frozen:
            for part in self.parts:
                part.eval()
