"""Values of a data module that do not fit together, found before a file is looked at."""

from typing import TYPE_CHECKING

from sr_experiments.data.shards import Sharded
from sr_experiments.degradations.bicubic import Bicubic

if TYPE_CHECKING:
    from sr_experiments.data.datamodule import SRData


def refuse_impossible(data: "SRData") -> None:
    """Look at a data module that has kept its values.

    Raises:
        ValueError: With everything that does not fit together, a line each.
    """
    values = {
        key: getattr(data, key)
        for key in ("scale", "channels", "batch_size", "patch_size", "steps_per_epoch")
    }
    problems = [f"data.{key}={value} must be 1 or more" for key, value in values.items() if value < 1]
    if data.workers != "auto" and data.workers < 0:
        problems.append(f"data.workers={data.workers} must be 0 or more, or auto")
    if data.cache not in ("auto", "memory", "disk", "device", "none"):
        problems.append(f"data.cache={data.cache} must be auto, memory, disk, device or none")
    if data.cache_limit is not None and data.cache_limit < 0:
        problems.append(f"data.cache_limit={data.cache_limit:g} is a number of bytes, 0 or more")
    problems += _augmentation(data)
    problems += _third(data)
    if isinstance(data.train, Sharded) and (data.scales or data.cache in ("device", "memory")):
        problems.append(
            "a set in shards is neither kept in memory nor trained at several scales: leave cache=auto"
        )
    if data.scales and not isinstance(data.degradation, Bicubic):
        problems.append(
            "data.scales enlarges what degradation=bicubic made; choose that, or data.scales=null"
        )
    if any(scale < 1 for scale in data.scales):
        problems.append(f"data.scales={data.scales}: each must be 1 or more")
    if data.scale >= 1 and data.patch_size % data.scale and not data.scales:
        lower = max(1, data.patch_size // data.scale) * data.scale
        problems.append(
            f"data.patch_size={data.patch_size} is not a multiple of scale={data.scale}; "
            f"choose {lower} or {lower + data.scale}"
        )
    if data.degradation.varies:
        problems.append(
            "the degradation leaves every sample with a size of its own; it needs a step "
            "degradations.resample.Shrink after its last Rescale"
        )
    if data.degradation.scale != data.scale:
        problems.append(f"the degradation shrinks by {data.degradation.scale}, but scale={data.scale}")
    if not data.degradation.fixed and any(s.paired for s in (data.train, data.val, *data.test.values())):
        problems.append(
            "pairs bring their own lq images, so a random degradation would not be used: "
            "leave it at degradation=bicubic, or train with data=folder"
        )
    if problems:
        raise ValueError("\n".join(problems))


def _third(data: "SRData") -> list[str]:
    """What does not go together with a guide, or with pixels that were not measured."""
    problems = []
    if data.guide_channels < 0:
        problems.append(f"guide_channels={data.guide_channels}: must be 0 (no guide) or more")
    sharded = isinstance(data.train, Sharded)
    for key, given in (("guide_channels", data.guide_channels), ("data.holes", data.holes)):
        if given and (sharded or data.scales):
            what = "a set in shards" if sharded else f"data.scales={data.scales}"
            problems.append(f"{key}={str(given).lower()} does not go together with {what}")
    if data.holes and data.range is None:
        problems.append("data.holes=true needs data.range=[low,high], by whose protocol holes are left out")
    return problems


def _augmentation(data: "SRData") -> list[str]:
    """Augmentations that would do nothing, or not what they are called."""
    augment, problems = data.augment, []
    if augment.permute_rgb and data.channels != 3:
        problems.append(f"data.augment.permute_rgb={augment.permute_rgb} needs channels=3")
    if augment.crop_scale is not None and data.scales:
        problems.append("data.scales has its own sizes; leave data.augment.crop_scale=null")
    if augment.cutblur and data.degradation.fixed and not data.scales and not data.train.paired:
        problems.append(
            "data.augment.cutblur pastes what degradation=bicubic makes, so it would change nothing; it "
            "needs a random degradation, pairs, or data.scales"
        )
    return problems
