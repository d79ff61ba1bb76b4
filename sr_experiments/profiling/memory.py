"""The most memory that a call takes, over what there was before it."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_LONGEST = 600.0  # seconds
_STATUS = Path("/proc/self/status")
_KIB = 1024


def peak_on_gpu(call: Callable[[], object], *, device: "torch.device") -> int:
    """Bytes that the allocator gave out at once beyond those before the call, which hold the weights."""
    import torch

    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def peak_on_cpu(net: Mapping[str, Any], *, shape: tuple[int, int, int, int]) -> int:
    """Bytes of resident memory that a call in float32 needs, beyond those before it.

    It is made in a process of its own: memory that another call has given back would be used again, and
    counted for nothing.

    Args:
        net: The config that builds it, resolved.
        shape: Of the input.

    Raises:
        RuntimeError: If the process does not come to an end, or fails.
    """
    import torch

    given = json.dumps({"net": net, "shape": shape, "threads": torch.get_num_threads()})
    command = [sys.executable, "-m", "sr_experiments.profiling.memory", given]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"a call took more than {_LONGEST:.0f} s in a process of its own") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        raise RuntimeError(f"a process of its own failed: {last}")
    return int(json.loads(done.stdout.splitlines()[-1])["bytes"])


def _measure(given: Mapping[str, Any]) -> int:
    """What `peak_on_cpu` runs."""
    import torch
    from hydra.utils import instantiate

    from sr_experiments.nets.base import SRNet

    torch.set_num_threads(int(given["threads"]))
    net = instantiate(dict(given["net"])).eval()  # not by `rebuild`: Lightning would be loaded each time
    assert isinstance(net, SRNet)
    batch, channels, height, width = given["shape"]
    side = -(-max(net.minimum, 8) // net.multiple_of) * net.multiple_of
    with torch.inference_mode():
        net(torch.rand(1, channels, side, side))  # libraries load, and the pools of threads start
        lq = torch.rand(batch, channels, height, width)
        before = resident_from_here()
        net(lq)
        return max(0, most_memory() - before)


def resident_from_here() -> int:
    """Bytes; and from now on `most_memory` counts anew, where the system can do that."""
    if not _STATUS.is_file():
        return most_memory()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM becomes VmRSS
    return _status("VmRSS")


def most_memory() -> int:
    """Bytes of resident memory that this process had at most, since it began or counted anew."""
    if _STATUS.is_file():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(key: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * _KIB


if __name__ == "__main__":
    print(json.dumps({"bytes": _measure(json.loads(sys.argv[1]))}))
