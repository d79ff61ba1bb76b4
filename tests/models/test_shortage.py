"""Memory that does not hold a whole image: smaller tiles, the same result, and it is said."""

import logging
import weakref

import pytest
import torch
from torch import Tensor

from sr_experiments.imaging.shortage import is_shortage, wanted
from sr_experiments.models.base import SRModel
from sr_experiments.models.inference import Inference
from sr_experiments.nets.base import SRNet

CPU_WORDS = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)"
)


class Greedy(SRNet):
    """Looks three pixels far, and has room for so many pixels."""

    def __init__(self, room: int, *, kind: type[RuntimeError] = torch.OutOfMemoryError, multiple_of: int = 1):
        super().__init__(scale=2, in_channels=3, multiple_of=multiple_of)
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1)
        )
        self.head = torch.nn.Conv2d(4, 12, 3, padding=1)
        self.room, self.kind = room, kind
        self.seen: list[tuple[int, int]] = []

    def forward(self, lq: Tensor) -> Tensor:
        self.seen.append((lq.shape[-2], lq.shape[-1]))
        if lq.shape[-2] * lq.shape[-1] > self.room:
            on_gpu = self.kind is torch.OutOfMemoryError
            raise self.kind("CUDA out of memory. Tried to allocate 2.50 GiB." if on_gpu else CPU_WORDS)
        return torch.nn.functional.pixel_shuffle(self.head(self.body(lq)), 2)


@torch.no_grad()
@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
@pytest.mark.parametrize(("multiple_of", "overlap", "ensemble"), [(1, 3, False), (8, 8, False), (1, 3, True)])
def test_the_result_is_that_of_the_whole_image(
    kind: type[RuntimeError],
    multiple_of: int,
    overlap: int,
    ensemble: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    torch.manual_seed(0)
    net = Greedy(10**9, kind=kind, multiple_of=multiple_of)
    lq = torch.rand(1, 3, 200, 288)
    whole = Inference(tile_overlap=overlap, self_ensemble=ensemble)(net, lq)
    net.room, net.seen = 100 * 100, []
    inference = Inference(tile_overlap=overlap, self_ensemble=ensemble)
    with caplog.at_level(logging.WARNING):
        sr = inference(net, lq)
    torch.testing.assert_close(sr, whole, rtol=0, atol=1e-6)
    assert net.seen[0] == (200, 288)
    # 288, 144, and half of that, or as much as an overlap on both sides and a part worth keeping need
    tile = max(72, 2 * overlap + 64)
    (note,) = inference.notes
    assert note.startswith("memory ran out on an image of 200x288 pixels of lq (cpu): from there on ")
    assert f"in tiles of {tile} pixels with an overlap of {overlap}" in note
    assert len(caplog.records) == 1
    assert note in caplog.text

    net.seen = []
    inference(net, lq)
    assert max(max(size) for size in net.seen) <= tile, "what was found is kept for the images after it"
    assert len(caplog.records) == 1, "and told once"
    assert Inference().notes == []


@torch.no_grad()
@pytest.mark.parametrize("ensemble", [False, True])
def test_what_did_not_suffice_is_let_go_of(ensemble: bool) -> None:
    """Else the next try would find the memory still taken."""
    held: list[weakref.ref[Tensor]] = []

    class Holding(Greedy):
        def forward(self, lq: Tensor) -> Tensor:
            assert not [one for one in held if one() is not None]
            features = self.body(lq)
            held.append(weakref.ref(features))
            if lq.shape[-1] > 100:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return torch.nn.functional.pixel_shuffle(self.head(features), 2)

    Inference(tile_overlap=3, self_ensemble=ensemble)(Holding(0), torch.rand(1, 3, 300, 300))
    assert len(held) > 3


@torch.no_grad()
def test_tiles_that_were_asked_for_become_smaller_too() -> None:
    net, inference = Greedy(100 * 100), Inference(tile=160, tile_overlap=8)
    inference(net, torch.rand(1, 3, 400, 80))
    assert net.seen[0] == (160, 80)
    assert "in tiles of 80 pixels" in inference.notes[0]
    assert inference.options() == {"self_ensemble": False, "tile": 160, "tile_overlap": 8}


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "manner"), [(600, "in tiles of 128 pixels"), (20, "as a whole, and it is too small for tiles")]
)
def test_a_net_that_nothing_is_enough_for(size: int, manner: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        Inference()(Greedy(0), torch.rand(1, 3, size, size))
    assert str(caught.value) == (
        f"out of memory: an image of {size}x{size} pixels of lq does not go through the net, not even "
        f"{manner} (cpu: CUDA out of memory. Tried to allocate 2.50 GiB.). End what else uses the "
        "memory, choose a smaller net, or restore on the CPU: trainer=cpu"
    )


def test_another_error_is_not_a_shortage() -> None:
    class Broken(Greedy):
        def forward(self, lq: Tensor) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Inference()(Broken(1), torch.rand(1, 3, 300, 300))


def test_a_model_collects_the_note_and_keeps_it_out_of_its_weights() -> None:
    model = SRModel(Greedy(10**9), ema=None)
    assert not [key for key in model.state_dict() if not key.startswith("net.")]
    model.inference.notes.append("told")
    assert model.collect_notes() == ["told"]


def test_the_words_of_what_runs_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert is_shortage(caught.value)
    assert wanted(caught.value) == "4000000000000000 bytes"
    assert wanted(RuntimeError("MPS backend out of memory. Tried to allocate 2.50 GiB on")) == "2.50 GiB"
    assert is_shortage(MemoryError())
    assert is_shortage(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))
    assert not is_shortage(ValueError("out of memory"))
    assert wanted(MemoryError()) == ""
