"""What torch asks at every step, and the answer is known."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer


def seed_device(seed: int, device: torch.device) -> None:
    """What `torch.manual_seed` does, for this device only.

    torch's own asks for every kind of device, and where CUDA is built in and absent it writes down who asks:
    a third of a millisecond, at every step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type not in ("cpu", "meta"):
        torch.manual_seed(seed)


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """What `torch.nn.utils.get_total_norm` returns, () on the device; 0 of nothing.

    torch's own first sorts them by device and kind, of which there is one here.
    """
    if not gradients:
        return torch.zeros(())
    with torch.no_grad():
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm


def ask_no_gpu(optimizer: Optimizer) -> None:
    """Of an optimizer whose weights are on the CPU.

    torch looks for a GPU before every step, to ask it whether it is recording the step into a graph: 0.4 ms
    where there is none.
    """
    optimizer._accelerator_graph_capture_health_check = _nothing  # type: ignore[method-assign]


def _nothing() -> None:
    """No graph is recorded."""
