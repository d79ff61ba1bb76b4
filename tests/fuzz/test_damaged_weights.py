"""Checkpoints and weight files that are damaged or made to do harm: the same tensors, or one message.

A file of torch.save carries a checksum for each of its members, so whatever happens to it by chance must be
noticed. safetensors, and torch.save's form of before 2020, carry none: a changed number is a number, which
can only be counted. What somebody changed and set the checksums right for is a file like any other, whose
tensors the net then refuses where they are not its own.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sr_experiments.nets.weights import load_exactly, read_state_dict
from sr_experiments.rebuild import open_checkpoint
from tests.fuzz import weight_files as files
from tests.fuzz.gadgets import CONTAINERS, gadgets
from tests.fuzz.reader import FAULT, Outcome, judge_weights, read_all, toy_net
from tests.tasks.runs import photographs, run

WITH_CHECKSUMS = ("run.ckpt", "zip.pth")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a run of ours writes it."""
    root = tmp_path_factory.mktemp("run")
    run(photographs(root / "images"), root / "run", "net.features=8", "net.mapped_features=4")
    return root / "run" / "checkpoints" / "last.ckpt"


def damaged(root: Path, whole: Mapping[str, bytes], each: int, *, seed: int) -> dict[str, str]:
    """Write `each` damaged files of every kind and of every way; file -> the whole one."""
    plan = {}

    def add(way: str, number: int, name: str, content: bytes) -> None:
        if content != whole[name]:
            (root / f"{way} {number:04d} {name}").write_bytes(content)
            plan[f"{way} {number:04d} {name}"] = name

    for name, content in whole.items():
        (root / name).write_bytes(content)
        rng = random.Random(f"{seed} {name}")
        for number in range(each):
            other = whole[rng.choice(list(whole))]
            add("chance", number, name, files.by_chance(content, rng, other=other))
        if name not in WITH_CHECKSUMS:
            continue
        places = files.tensor_bytes(content)
        for number in range(each):
            bad = files.flipped(content, rng.choice(places), rng.randrange(8))
            add("tensor", number, name, bad)
            add("purpose", number, name, files.other_members(content, rng))
        for number in range(each // 10):
            add("twice", number, name, files.member_twice(content, rng))
    return plan


def hold(outcomes: Sequence[Outcome]) -> None:
    """What must be true of all."""
    assert not [outcome for outcome in outcomes if outcome.kind == FAULT]
    assert max(outcome.kilobytes for outcome in outcomes) < 500_000
    for outcome in outcomes:
        way, _, name = outcome.name.split(" ")
        if way in ("tensor", "twice"):
            assert outcome.kind == "refused", outcome
        elif way == "chance" and name in WITH_CHECKSUMS:
            assert outcome.kind in ("refused", "alike"), outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each way and form."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        way, _, name = outcome.name.split(" ")
        counts[f"{way} {name}"][outcome.kind] += 1
    lines = [f"{key}: {sum(count.values())} {dict(count)}" for key, count in counts.items()]
    worst, longest = max(o.kilobytes for o in outcomes), max(o.seconds for o in outcomes)
    return "\n".join([*lines, f"largest growth {worst / 1000:.0f} MB, longest {longest:.2f} s"])


def test_some_hundred_damaged_files(tmp_path: Path, checkpoint: Path) -> None:
    plan = damaged(tmp_path, files.whole_files(checkpoint), 60, seed=0)
    assert len(plan) > 450
    hold(read_all(tmp_path, plan))


@pytest.mark.slow
def test_thousands_of_damaged_files(tmp_path: Path, checkpoint: Path) -> None:
    plan = damaged(tmp_path, files.whole_files(checkpoint), 1000, seed=1)
    outcomes = read_all(tmp_path, plan)
    print(f"\n{len(outcomes)} files\n{table(outcomes)}")
    hold(outcomes)


@pytest.mark.parametrize("name", WITH_CHECKSUMS)
def test_a_bit_anywhere_in_a_file_with_checksums(tmp_path: Path, checkpoint: Path, name: str) -> None:
    """Refused or without consequence; in tensors always refused."""
    whole = files.whole_files(checkpoint)[name]
    (tmp_path / name).write_bytes(whole)
    inside = set(files.tensor_bytes(whole))
    kinds: Counter[str] = Counter()
    for at in range(0, len(whole), len(whole) // 300):
        bad = tmp_path / f"bad {name}"
        bad.write_bytes(files.flipped(whole, at, at % 8))
        kind, said = judge_weights(bad, tmp_path / name)
        assert kind == "refused" or (kind == "alike" and at not in inside), f"{at}: {kind} {said}"
        kinds[kind] += 1
    assert kinds["refused"] > kinds["alike"] > 0


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    whole = files.saved({"w": torch.ones(100)})
    places = files.tensor_bytes(whole)
    assert len(places) == 400
    path.write_bytes(files.flipped(whole, places[40], 3))
    with pytest.raises(
        ValueError, match=r"a\.pth: .* was damaged, archive/data/0 in it has a wrong checksum"
    ):
        read_state_dict(path)
    path.write_bytes(files.member_twice(whole, random.Random(0)))
    with pytest.raises(ValueError, match=r"a\.pth: .* holds archive/\S* twice"):
        read_state_dict(path)


def test_an_archive_behind_a_damaged_one(tmp_path: Path) -> None:
    """zipfile looks at the last of them, and torch.load reads the first."""
    path, whole = tmp_path / "a.pth", files.saved({"w": torch.ones(100)})
    damaged = files.flipped(whole, files.tensor_bytes(whole)[40], 3)
    path.write_bytes(damaged + whole)
    assert not torch.equal(torch.load(path, weights_only=True)["w"], torch.ones(100))
    with pytest.raises(ValueError, match=r"a\.pth: .* with something else in front of it"):
        read_state_dict(path)


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    """torch.serialization.set_crc32_options(False) leaves zeros in their place."""
    path, before = tmp_path / "a.pth", torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(3)}, path)
    finally:
        torch.serialization.set_crc32_options(before)
    assert torch.equal(read_state_dict(path)["w"], torch.ones(3))


@pytest.mark.parametrize("form", ["pth", "ckpt", "legacy.pth", "safetensors"])
@pytest.mark.parametrize("name", files.WRONG)
def test_wrong_tensors_are_refused(tmp_path: Path, name: str, form: str) -> None:
    net = toy_net()
    content = files.WRONG[name](dict(net.state_dict()))
    path = tmp_path / f"weights.{form}"
    if form == "safetensors":
        flat = isinstance(content, dict) and content
        if not flat or not all(
            isinstance(x, torch.Tensor) and x.layout == torch.strided for x in content.values()
        ):
            pytest.skip("safetensors holds no such thing")
        if name == "expanded":
            pytest.skip("safetensors would write all of it")
        save_file({str(key): value.contiguous().clone() for key, value in content.items()}, path)
    else:
        wrapped = {"state_dict": content} if form == "ckpt" else content
        torch.save(wrapped, path, _use_new_zipfile_serialization=form != "legacy.pth")
    with pytest.raises(ValueError, match=f"^{path}: "):
        load_exactly(net, open_checkpoint(str(path)).state, source=str(path))


@pytest.mark.parametrize("name", files.CONFIGS)
def test_a_config_that_is_none(tmp_path: Path, checkpoint: Path, name: str) -> None:
    """Without a config it is a plain weight file; with a strange one it is refused."""
    content = torch.load(checkpoint, weights_only=True) | {"sr_experiments": files.CONFIGS[name]}
    path = tmp_path / "a.ckpt"
    torch.save(content, path)
    if not isinstance(files.CONFIGS[name], dict):
        assert open_checkpoint(str(path)).config is None
        return
    with pytest.raises(
        ValueError, match=f"^{path}: (the config of the run inside it|its config builds os.sys)"
    ):
        open_checkpoint(str(path))


# Files that would run code.


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("container", CONTAINERS)
def test_no_code_is_run(tmp_path: Path, container: str) -> None:
    (tmp_path / "helper").mkdir()
    canary, path = tmp_path / "canary", tmp_path / container
    for name, pickled in gadgets(canary, tmp_path / "helper").items():
        path.write_bytes(CONTAINERS[container](pickled))
        for read in (read_state_dict, lambda path: open_checkpoint(str(path))):
            with pytest.raises(ValueError, match=f"^{path}: can not be opened as weights"):
                read(path)
            assert not canary.exists(), name


def test_no_code_is_run_out_of_a_checkpoint_of_ours(tmp_path: Path, checkpoint: Path) -> None:
    """Beside its tensors, where a callback or the optimizer keeps its state."""
    (tmp_path / "helper").mkdir()
    canary, path = tmp_path / "canary", tmp_path / "a.ckpt"
    whole = checkpoint.read_bytes()
    for name, pickled in gadgets(canary, tmp_path / "helper").items():
        code = pickled.removeprefix(b"\x80\x02").removeprefix(b"\x80\x04")[:-1]

        def before(members: dict[str, bytes], code: bytes = code) -> dict[str, bytes]:
            ours = members["archive/data.pkl"]
            return members | {"archive/data.pkl": ours[:2] + code + b"0" + ours[2:]}

        path.write_bytes(files.with_members(whole, before))
        with pytest.raises(ValueError, match=f"^{path}: can not be opened as weights"):
            open_checkpoint(str(path))
        assert not canary.exists(), name


@pytest.mark.filterwarnings("ignore")
def test_each_of_them_works_where_it_is_let(tmp_path: Path) -> None:
    """Otherwise it proved nothing that it did not."""
    import pickle

    (tmp_path / "helper").mkdir()
    canary = tmp_path / "canary"
    for name, pickled in gadgets(canary, tmp_path / "helper").items():
        pickle.loads(pickled)
        assert canary.exists(), name
        canary.unlink()
