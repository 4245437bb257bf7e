"""Batch normalisation of a trained network, made a part of the convolutions before it."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold, in place, every batch normalisation that directly follows a convolution in a Sequential of `module`.

    The network must be in eval mode; what it gives stays the same but for rounding.
    """
    for child in module.modules():
        if isinstance(child, nn.Sequential):
            for index in range(len(child) - 1):
                convolution, norm = child[index], child[index + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    child[index] = fuse_conv_bn_eval(convolution, norm)
                    child[index + 1] = nn.Identity()
    return module
