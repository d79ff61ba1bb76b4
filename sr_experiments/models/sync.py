"""Batch normalisation over the samples of all devices: ``trainer.sync_batchnorm=true``.

torch's own does not run on the CPU. This one can be differentiated twice, as gradient penalties need.
"""

from typing import Self

import torch
from pytorch_lightning.plugins.layer_sync import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sr_experiments.losses.everywhere import devices, mean_everywhere


class SyncedBatchNorm(_BatchNorm):
    """Mean and variance of the global batch, of which every device has as much (arXiv:1502.03167, 1)."""

    @classmethod
    def of(cls, layer: _BatchNorm) -> Self:
        """With another's parameters and statistics, not copies of them."""
        made = cls(
            layer.num_features,
            eps=layer.eps,
            momentum=layer.momentum,
            affine=layer.affine,
            track_running_stats=layer.track_running_stats,
        )
        made._parameters, made._buffers = layer._parameters, layer._buffers
        return made.train(layer.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes: the layer that this one stands for has had its say."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        if not self.training or devices() == 1:
            return super().forward(input)
        axes, values = [0, *range(2, input.dim())], input
        if input.dtype in (torch.bfloat16, torch.float16):
            values = input.float()
        mean = mean_everywhere(values.mean(axes))
        shape = [1, -1] + [1] * (input.dim() - 2)
        centred = values - mean.view(shape)
        variance = mean_everywhere(centred.square().mean(axes))
        self._follow(mean.detach(), variance.detach(), count=devices() * input.numel() // input.shape[1])
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, *, count: int) -> None:
        """Move the running statistics, with the unbiased variance, as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), momentum)


class SyncBatchNorms(LayerSync):
    """Takes the place of every layer of batch normalisation; a Lightning plug-in."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Exchange them, in place; names, parameters and statistics stay."""
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, _BatchNorm) and not isinstance(layer, SyncedBatchNorm):
                    setattr(parent, name, SyncedBatchNorm.of(layer))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Nothing: on one device, and in evaluation, they are what they were."""
        return model
