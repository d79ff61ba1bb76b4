"""A training set in shards, which need not lie on this machine nor fit on its disk.

`task=prepare shards=URL` writes them. `shards.json` lists the shards with their lengths and hashes and says
what was made; each shard is a pack (`pack.py`).
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from fsspec.core import url_to_fs
from torch import Tensor

from sr_experiments.data.order import ShardOrder
from sr_experiments.data.pack import Pack
from sr_experiments.data.pair import Pair
from sr_experiments.data.shard_cache import ShardCache
from sr_experiments.data.sources import Item, Source
from sr_experiments.data.store import in_order
from sr_experiments.data.windows import Windows

LIST = "shards.json"
SHARD_FORMAT = 1
_KEYS = ("scale", "channels", "lq")
_SHARD_KEYS = ("name", "file", "bytes", "hash", "index_hash", "names", "sizes")
PAIRS = "pairs"
"""What the lq of pairs is made by: it is the task itself."""


class Sharded(Source):
    """A set in shards.

    Args:
        url: Folder of `shards.json`: a path, `https://`, or with the extra `streaming` `s3://`, `gs://`.
        window: How many shards are shuffled together; about twice as many are on the disk at a time.
        stripes: In how many groups shards are dealt out over a global batch. A multiple of the number of
            machines lets each fetch its own shards only; runs that are compared need the same number.
    """

    def __init__(self, *, url: str, window: int = 4, stripes: int = 1) -> None:
        """Nothing is looked at yet.

        Raises:
            ValueError: If a number is less than 1.
        """
        if window < 1 or stripes < 1:
            raise ValueError(f"Sharded: window={window} and stripes={stripes} must be 1 or more")
        self.url = str(Path(url).expanduser()) if "://" not in url else url.rstrip("/")
        self.window = window
        self.stripes = stripes
        self._content: dict[str, Any] | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        """What `shards.json` says.

        Raises:
            ValueError: If it can not be read.
        """
        if self._content is None:
            self._content = _read_list(self.url)
        return self._content

    def items(self) -> list[Item]:
        """The images; their files are no longer there."""
        return [
            Item(name=name, gt=Path(f"{self.url}/{shard['name']}/{number}"))
            for shard in self.content["shards"]
            for number, name in enumerate(shard["names"])
        ]

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of the good images."""
        return [(height, width) for shard in self.content["shards"] for height, width in shard["sizes"]]

    def order(self, *, seed: int, global_batch: int) -> ShardOrder:
        """Of a run.

        Raises:
            ValueError: If the batch has no equal part for each stripe, or a stripe no shard.
        """
        lengths = [len(shard["names"]) for shard in self.content["shards"]]
        if global_batch % self.stripes or self.stripes > len(lengths):
            raise ValueError(
                f"data.train.stripes={self.stripes} must divide the samples of all devices and one step "
                f"({global_batch}) and be at most the number of shards ({len(lengths)})"
            )
        return ShardOrder(
            lengths, seed=seed, window=self.window, stripes=self.stripes, global_batch=global_batch
        )

    def problem(self, *, scale: int, channels: int, lq_made_by: str | None) -> str | None:
        """Why they do not fit a run.

        Args:
            scale: Of super-resolution.
            channels: Wanted C.
            lq_made_by: What the run's `lq` is made by, where it is not made of crops.
        """
        made = self.content
        if made["channels"] != channels:
            return f"{self.url} holds images of {made['channels']} channels, but channels={channels}"
        if lq_made_by is None or (made["lq"] in (lq_made_by, PAIRS) and made["scale"] == scale):
            return None
        return (
            f"{self.url} holds lq images of {made['lq']} at x{made['scale']}, this run needs those of "
            f"{lq_made_by} at x{scale}: write other shards (task=prepare), or choose a random degradation"
        )


def _read_list(url: str) -> dict[str, Any]:
    try:
        system, root = url_to_fs(url)
        content = json.loads(system.cat_file(f"{root}/{LIST}"))
        if content["format"] != SHARD_FORMAT or not content["shards"]:
            raise ValueError(f"format {content['format']} with {len(content['shards'])} shards")
        absent = [key for key in _KEYS if key not in content]
        absent += [key for shard in content["shards"] for key in _SHARD_KEYS if key not in shard]
        if absent:
            raise ValueError(f"{absent[0]} is not in it")
    except ImportError as error:
        raise ValueError(f'{url}: {error}; pip install "sr-experiments[streaming]"') from error
    except FileNotFoundError as error:
        raise ValueError(
            f"{url}: there is no {LIST} in it, so it is no set in shards; "
            "task=prepare data=... shards=URL writes it"
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise ValueError(
            f"{url}/{LIST} can not be read ({type(error).__name__}: {error}); "
            "task=prepare data=... shards=URL writes it"
        ) from error
    found: dict[str, Any] = content
    return found


class Shards:
    """Images of a set in shards, by number; takes the place of `Images` in training.

    Args:
        source: The set.
        root: Folder of all decoded images.
        limit: Bytes that all of them may take.
        with_lq: Whether `lq` is read.
    """

    decoded = True

    def __init__(self, source: Sharded, *, root: Path, limit: float | None, with_lq: bool) -> None:
        """Nothing is fetched yet.

        Raises:
            OSError: If the limit can not hold what is needed at a time.
        """
        self.source = source
        self._shards = source.content["shards"]
        self._cache = ShardCache(source.url, root=root, limit=limit)
        self.items = source.items()
        self.with_lq = with_lq
        self._ends = torch.tensor([len(shard["names"]) for shard in self._shards]).cumsum(0)
        self._held = 2 * source.window * source.stripes + 1
        self._open: OrderedDict[int, Pack] = OrderedDict()
        self._fetching: threading.Thread | None = None
        largest = max(shard["bytes"] for shard in self._shards)
        needed = largest * min(len(self._shards), 2 * self._held)
        if limit is not None and limit < needed:
            raise OSError(
                f"data.cache_limit={limit:.0f}: {source.stripes} windows of {source.window} shards of up to "
                f"{largest} bytes need {needed} bytes; raise it, or lower data.train.window"
            )

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: it opens its own."""
        return {**self.__dict__, "_open": OrderedDict(), "_fetching": None}

    def __len__(self) -> int:
        """Number of images."""
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Pair:
        """One image."""
        (number,), (place,) = (found.tolist() for found in self._places(torch.tensor([index])))
        return self._shard(number)[place]

    def read(self, windows: Windows, *, scale: int) -> dict[str, Tensor]:
        """Crops of a batch; see `Store.read`.

        Raises:
            OSError: If a shard can not be fetched.
        """
        numbers, places = self._places(windows.images)
        found = []
        for number in sorted(set(numbers.tolist())):
            rows = torch.nonzero(numbers == number).flatten()
            mine = replace(windows.of(rows), images=places[rows])
            found.append((rows, self._read(number, mine, scale=scale)))
        keys = ("gt", "lq") if self.with_lq else ("gt",)
        return {key: in_order([(rows, crops[key]) for rows, crops in found]) for key in keys}

    def expect(self, images: Tensor) -> None:
        """Say which images will be asked for soon: their shards are fetched in the background.

        What fails there fails again, and is told, when it is asked for.
        """
        if self._fetching is not None and self._fetching.is_alive():
            return
        wanted = [n for n in sorted(set(self._places(images)[0].tolist())) if n not in self._open]
        if wanted:
            self._fetching = threading.Thread(target=self._fetch, args=(wanted,), daemon=True)
            self._fetching.start()

    def _fetch(self, numbers: list[int]) -> None:
        for number in numbers:
            try:
                self._cache.open(self._shards[number])
            except (OSError, ValueError):
                return

    def _places(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Number of the shard, and of the image in it."""
        numbers = torch.bucketize(images, self._ends, right=True)
        lengths = torch.diff(self._ends, prepend=torch.zeros(1, dtype=torch.int64))
        return numbers, images - (self._ends - lengths)[numbers]

    def _read(self, number: int, windows: Windows, *, scale: int) -> dict[str, Tensor]:
        try:
            return self._shard(number).read(windows, scale=scale)
        except ValueError:  # damaged on this disk: fetched again, once
            self._open.pop(number)
            self._cache.drop(self._shards[number])
            return self._shard(number).read(windows, scale=scale)

    def _shard(self, number: int) -> Pack:
        if number not in self._open:
            self._open[number] = self._cache.open(self._shards[number])
            if len(self._open) > self._held:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]
