"""The published sets that are known: how many images they have, where they come from, whose they are.

An archive is named here where people who made a set, or collected it for their paper, serve it to anybody. A
checksum is named with whoever wrote it down, because none of the makers publishes one. What is not served is
described instead: what to fetch, from which page, and where it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sr_experiments.data.memory import readable


@dataclass(frozen=True)
class Archive:
    """A file that can be downloaded.

    Attributes:
        file: Its name.
        url: Its address.
        size: Of the file in bytes, where it is known.
        checksums: Algorithm (a name that hashlib knows) -> hexadecimal digest.
        recorded_by: Who wrote size and checksums down.
    """

    file: str
    url: str
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    recorded_by: str = ""

    @property
    def described(self) -> str:
        """Such as DIV2K_valid_HR.zip (449 MB)."""
        return self.file if self.size is None else f"{self.file} ({readable(self.size)})"


@dataclass(frozen=True)
class PublishedSet:
    """A set of images with a name.

    Attributes:
        name: Its folder under data_dir, with `/`.
        images: How many good images it has.
        page: Where its makers describe it.
        terms: What is known about its licence, a phrase.
        archive: Where it may be downloaded from; None where nobody serves it to everybody.
        pattern: Of its good images in the archive, matched from the right. LR images stay in there: they are
            what MATLAB's rule makes, some of them by its other rule of borders, and everybody shall have the
            same.
        aliases: Folder names that others have for it.
        by_hand: What to do where there is no archive, a sentence.
        grey: How many of its images are grey, where that changes results.
    """

    name: str
    images: int
    page: str
    terms: str
    archive: Archive | None = None
    pattern: str = ""
    aliases: tuple[str, ...] = ()
    by_hand: str = ""
    grey: int | None = None


_TFDS = "TensorFlow Datasets"
_ETH = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_BERKELEY = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/"
_SNU = "https://cv.snu.ac.kr/research/EDSR/"
_DIV2K_TERMS = "for academic research only"
_BSDS_TERMS = "for non-commercial research and education"
_NO_LICENCE = "no licence is stated; collected for research"

_DIV2K_TRAIN = Archive(
    file="DIV2K_train_HR.zip",
    url=f"{_ETH}DIV2K_train_HR.zip",
    size=3_530_603_713,
    checksums={"sha256": "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"},
    recorded_by=_TFDS,
)
_DIV2K_VALID = Archive(
    file="DIV2K_valid_HR.zip",
    url=f"{_ETH}DIV2K_valid_HR.zip",
    size=448_993_893,
    checksums={"sha256": "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"},
    recorded_by=_TFDS,
)
# The server has been away for months at a time; where it is, task.url= names a mirror.
_FLICKR2K = Archive(
    file="Flickr2K.tar",
    url=f"{_SNU}Flickr2K.tar",
    checksums={"md5": "5d3f39443d5e9489bff8963f8f26cb03"},
    recorded_by="torchSR and catalyst-team/esrgan",
)
_BSDS300 = Archive(
    file="BSDS300-images.tgz",
    url=f"{_BERKELEY}grouping/segbench/BSDS300-images.tgz",
)
_BSDS500 = Archive(
    file="BSR_bsds500.tgz",
    url=f"{_BERKELEY}grouping/BSR/BSR_bsds500.tgz",
)
# The benchmarks as the authors of EDSR measured them.
_EDSR_BENCHMARK = Archive(
    file="benchmark.tar",
    url=f"{_SNU}benchmark.tar",
    checksums={"md5": "4ace41d33c2384b97e6b320cd0afd6ba"},
    recorded_by="torchSR",
)


def _bsds500(part: str, images: int) -> PublishedSet:
    return PublishedSet(
        name=f"BSDS500/{part}",
        images=images,
        page=f"{_BERKELEY}grouping/resources.html",
        terms=_BSDS_TERMS,
        archive=_BSDS500,
        pattern=f"data/images/{part}/*.jpg",
    )


def _bsds300(name: str, part: str, images: int, aliases: tuple[str, ...]) -> PublishedSet:
    return PublishedSet(
        name=name,
        images=images,
        page=f"{_BERKELEY}bsds/",
        terms=_BSDS_TERMS,
        archive=_BSDS300,
        pattern=f"BSDS300/images/{part}/*.jpg",
        aliases=aliases,
    )


CATALOGUE = (
    PublishedSet(
        name="DIV2K",
        images=800,
        page=_ETH,
        terms=_DIV2K_TERMS,
        archive=_DIV2K_TRAIN,
        pattern="DIV2K_train_HR/*.png",
        aliases=("DIV2K_train_HR",),
    ),
    PublishedSet(
        name="DIV2K_valid",
        images=100,
        page=_ETH,
        terms=_DIV2K_TERMS,
        archive=_DIV2K_VALID,
        pattern="DIV2K_valid_HR/*.png",
        aliases=("DIV2K_valid_HR",),
    ),
    PublishedSet(
        name="Flickr2K",
        images=2650,
        page="https://github.com/limbee/NTIRE2017",
        terms="the pictures are their photographers', from Flickr; used for research",
        archive=_FLICKR2K,
        pattern="Flickr2K_HR/*.png",
        aliases=("Flickr2K_HR",),
    ),
    _bsds500("train", 200),
    _bsds500("test", 200),
    _bsds500("val", 100),
    _bsds300("BSDS200", "train", 200, ("BSD200",)),
    _bsds300("BSD100", "test", 100, ("B100", "BSDS100")),
    PublishedSet(
        name="Set5",
        images=5,
        page="http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html",
        terms=_NO_LICENCE,
        archive=_EDSR_BENCHMARK,
        pattern="Set5/HR/*.png",
    ),
    PublishedSet(
        name="Set14",
        images=14,
        page="https://sites.google.com/site/romanzeyde/research-interests",
        terms=_NO_LICENCE,
        archive=_EDSR_BENCHMARK,
        pattern="Set14/HR/*.png",
        grey=1,
    ),
    PublishedSet(
        name="Urban100",
        images=100,
        page="https://github.com/jbhuang0604/SelfExSR",
        terms=_NO_LICENCE,
        archive=_EDSR_BENCHMARK,
        pattern="Urban100/HR/*.png",
    ),
    PublishedSet(
        name="Manga109",
        images=109,
        page="http://www.manga109.org/en/",
        terms="given on application, for academic use, not to be passed on",
        by_hand="apply for it on the page; the benchmark is one page of each of the 109 comics, the choice "
        "measured since LapSRN (Lai et al., CVPR 2017), which the application does not bring",
    ),
    PublishedSet(
        name="T91",
        images=91,
        page="http://www.ifp.illinois.edu/~jyang29/ScSR.htm",
        terms=_NO_LICENCE,
        by_hand="it is in the authors' ScSR.rar, which has to be unpacked by hand, and was in LapSRN's "
        "SR_training_datasets.zip, whose address has answered 404 since 2024",
    ),
)


def published(root: Path, *, data_dir: Path) -> PublishedSet | None:
    """The set that belongs into a folder, if the folder is one of ours."""
    root, data_dir = root.absolute(), data_dir.absolute()
    if not root.is_relative_to(data_dir):
        return None
    name = root.relative_to(data_dir).as_posix()
    return next((entry for entry in CATALOGUE if entry.name == name), None)
