"""The function every artefact is: uint8 frames in, uint8 labels out, with pre-processing and argmax inside."""

import copy

import torch
from torch import Tensor, nn

from segdata.spec import ModelSpec
from segtrain.network.folding import fold_batch_norm


class DeployableGraph(nn.Module):
    """frames uint8 [N, H, W, 3] RGB -> labels uint8 [N, H, W].

    TensorRT's typing rules shape it: uint8 may only be cast to and from a float, so the cast to float32 comes before
    the transpose, and the int64 of argmax goes to uint8 by way of float32. With `half`, the network computes in
    float16 between the normalisation, which stays float32, and the argmax.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec, half: bool = False) -> None:
        """Take a copy of `network`, which is left as it is, with its batch normalisation folded in float32."""
        super().__init__()
        self.dtype = torch.float16 if half else torch.float32
        self.network = fold_batch_norm(copy.deepcopy(network).float().eval()).to(self.dtype)
        self.scale = nn.Buffer(1 / torch.tensor(spec.std).view(1, 3, 1, 1))
        self.shift = nn.Buffer(-(torch.tensor(spec.mean) / torch.tensor(spec.std)).view(1, 3, 1, 1))
        self.eval()

    def forward(self, frames: Tensor) -> Tensor:
        """Return the class id of each pixel."""
        x = frames.to(torch.float32).permute(0, 3, 1, 2)  # [N, 3, H, W]
        x = x * self.scale + self.shift
        logits = self.network(x.to(self.dtype))  # [N, C, H, W]
        labels: Tensor = logits.argmax(dim=1)  # [N, H, W]
        return labels.to(torch.float32).to(torch.uint8)
