"""Guides that are missing, do not fit, or are not looked at."""

from pathlib import Path

import torch

from sr_experiments.nets.guided import GuidedNet
from tests.mistakes.desk import TRAIN, Mistake, cut, directory, pictures, several

_GUIDED = f"{TRAIN.replace('photos', 'p').replace('model=espcn', 'model=guided')} guide_channels=3"
_HOW = (
    "\na guide is an image of the same size and stem in the folder guide/ of the set (data=guided); without "
    "guides: guide_channels=0"
)

_NET = "model=guided scale=2 channels=1 guide_channels=3 net.features=4 checkpoint=g.pth trainer=cpu"
_UPSCALE = f"task=upscale {_NET} input=p output=out"


def _net(folder: Path) -> None:
    """The weights of a guided net, g.pth, and two images of 32x32 in p."""
    torch.manual_seed(0)
    torch.save(GuidedNet(scale=2, features=4).state_dict(), folder / "g.pth")
    pictures("p", 2)(folder)


GUIDES: dict[str, Mistake] = {
    "nobody looks at it": Mistake(
        f"{TRAIN} guide_channels=3",
        "guide_channels=3: the data brings a guide, and this net does not take it; choose model=guided, or "
        "guide_channels=0 to do without",
    ),
    "a set that brings one": Mistake(
        "data=stereo model=edsr_baseline",
        "guide_channels=3: the data brings a guide, and this net does not take it; choose model=guided, or "
        "guide_channels=0 to do without",
    ),
    "two numbers": Mistake(
        "data=stereo model=guided net.guide_channels=1",
        "net.guide_channels=1, but guide_channels=3: the data would not bring what the net takes; say "
        "guide_channels only",
    ),
    "none at all": Mistake(
        f"{TRAIN.replace('model=espcn', 'model=guided')} guide_channels=-1",
        "guide_channels=-1: must be 0 (no guide) or more",
    ),
    "a set without": Mistake(
        _GUIDED,
        "guide_channels=3, but there is no guide for: p/0.png, p/1.png, p/2.png, p/3.png, p/4.png\n"
        f"guide_channels=3, but there is no guide for: p/5.png{_HOW}",
        given=pictures("p"),
    ),
    "the demo, which has none": Mistake(
        "model=guided guide_channels=3",
        f"guide_channels=3, but there is no guide for: …{_HOW}",
    ),
    "one is missing": Mistake(
        _GUIDED,
        f"guide_channels=3, but there is no guide for: p/5.png{_HOW}",
        given=several(pictures("p"), pictures("p/guide", 5)),
    ),
    "one of another size": Mistake(
        _GUIDED,
        "p/guide/0.png is 40x40 (height x width), but p/0.png, which it guides, is 32x32: a guide has the "
        "same size, pixel on pixel",
        given=several(pictures("p"), pictures("p/guide"), pictures("p/guide", 1, size=(40, 40))),
    ),
    "one that is cut": Mistake(
        _GUIDED,
        "cannot read the image p/guide/1.png: it is cut short in its chunk IDAT; fetch it again",
        given=several(pictures("p"), pictures("p/guide"), cut("photos/1.png", "p/guide/1.png", 200)),
    ),
    "of other channels": Mistake(
        _GUIDED.replace("guide_channels=3", "guide_channels=4"),
        "p/guide/0.png: an image of 3 channels cannot become one of 4; set guide_channels=3, or use other "
        "images…",
        given=several(pictures("p"), pictures("p/guide")),
    ),
    "several scales": Mistake(
        f"{_GUIDED} data.scales=[2,3]",
        "guide_channels=3 does not go together with data.scales=[2, 3]",
        given=pictures("p"),
    ),
    "a net without on its set": Mistake(
        "task=evaluate data=stereo checkpoint=espcn.pth model=espcn trainer=cpu",
        "guide_channels=3: the data brings a guide, and this net does not take it; choose model=guided, or "
        "guide_channels=0 to do without",
    ),
    "an upscale without one": Mistake(
        _UPSCALE,
        "guided restores an image by a second one, its guide: guide=FILE, or guide=FOLDER with a file "
        "for each input, of its name and 2 times its size",
        given=_net,
    ),
    "an upscale by a net without": Mistake(
        "task=upscale model=bicubic scale=2 trainer=cpu input=photos output=out guide=d",
        "guide=d: bicubic takes no guide; leave it away, or give the weights of a net that was trained "
        "with one (data=guided model=guided)",
        given=directory("d"),
    ),
    "a guide that is not there": Mistake(
        f"{_UPSCALE} guide=nowhere", "guide=nowhere: there is no such file or folder", given=_net
    ),
    "one guide for two": Mistake(
        f"{_UPSCALE} guide=photos/0.png",
        "guide=photos/0.png is one file, and there are 2 inputs; give a folder with a guide for each of "
        "them, of its name",
        given=_net,
    ),
    "the inputs as guides": Mistake(
        f"{_UPSCALE} guide=p",
        "guide=p is the folder of the inputs, and a guide has the name of its input; keep guides in a "
        "folder of their own, which may lie in it",
        given=_net,
    ),
    "results among the guides": Mistake(
        f"{_UPSCALE} guide=out",
        "guide=out is the folder of the results; give another output=FOLDER",
        given=several(_net, directory("out")),
    ),
    "guides that do not fit": Mistake(
        f"{_UPSCALE} guide=c",
        "2 of 2 images could not be restored; the others are done\n  0.png: its guide c/0.png is 48x64 "
        "(height x width), but p/0.png is 32x32, which at scale=2 takes 64x64: crop or resize the guide "
        "to that, so that it lies pixel on pixel of the result\n  1.png: there is no guide c/1.png (or "
        ".jpg, .tif, ...); a guide has the name of its input, in the same place of the "
        "tree\neach of them is in …files.csv",
        given=several(_net, pictures("c", 1, size=(64, 48))),
    ),
    "holes without a range": Mistake(
        f"{TRAIN} data.holes=true",
        "data.holes=true needs data.range=[low,high], by whose protocol holes are left out",
    ),
    "an error without a unit": Mistake(
        f"{TRAIN} metric=rmse",
        "metric=rmse counts in the unit of data.range=[low,high], and there is none",
    ),
    "columns that are not there": Mistake(
        "data=stereo model=guided data.val.columns=[700,800]",
        "Stereo: columns=[700, 800] must be the first and one after the last, from 0 to 741",
    ),
}
