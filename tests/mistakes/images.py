"""Images that are missing, broken, too small, or not what was meant."""

from tests.mistakes.desk import CHECK, PAIRS, SHARDS, TRAIN, Mistake, cut, directory, file, pictures, several

WHERE = (
    "Images are read from the folder itself or from HR/ in it, published small ones from LR/x2/, LR/x3/, ... "
    "Sets are looked for under data_dir=FOLDER or SR_DATA_DIR, and task=prepare fetches published ones "
    "(data/README.md)"
)

IMAGES: dict[str, Mistake] = {
    "no folder": Mistake(
        "data=folder data.root=absent",
        f"the folder absent does not exist\n{WHERE}",
    ),
    "a folder with a mistake in it": Mistake(
        "data=folder data.root=phtoos",
        f"the folder phtoos does not exist. Did you mean 'photos'?\n{WHERE}",
    ),
    "no images": Mistake(
        "data=folder data.root=e",
        "the folder e holds no image; these are read: png, jpg, jpeg, bmp, webp, tif, tiff",
        given=directory("e"),
    ),
    "a file for a folder": Mistake(
        "data=folder data.root=espcn.pth",
        f"the folder espcn.pth is a file, not a folder\n{WHERE}",
    ),
    "one image": Mistake(
        "data=folder data.root=o",
        "o/0.png is the only image, so none can be held out for validation; add images, or give "
        "validation images (data.val_root, or data.val_gt and data.val_lq)",
        given=pictures("o", 1),
    ),
    "a list of folders": Mistake(
        "data=folder data.root=[photos]",
        f"the folder [photos] does not exist. Did you mean 'photos'?\n{WHERE}",
    ),
    "a number for a folder": Mistake(
        "data=folder data.root=2024",
        f"the folder 2024 does not exist\n{WHERE}",
    ),
    "a picture that is cut": Mistake(
        TRAIN.replace("photos", "p"),
        "cannot read the image p/9.png: it is cut short in its chunk IDAT; fetch it again",
        given=several(pictures("p"), cut("photos/0.png", "p/9.png", 200)),
    ),
    "a picture that is text": Mistake(
        TRAIN.replace("photos", "p"),
        "cannot read the image p/9.png: it is no PNG, JPEG, BMP, WebP or TIFF, or its header is broken",
        given=several(pictures("p"), file("p/9.png", "hello")),
    ),
    "a picture that is a web page": Mistake(
        TRAIN.replace("photos", "p"),
        "cannot read the image p/9.png: it is a web page, saved under the name of an image; download the "
        "image again",
        given=several(pictures("p"), file("p/9.png", "\n<!DOCTYPE html>\n<html></html>\n")),
    ),
    "a picture that Git LFS has": Mistake(
        TRAIN.replace("photos", "p"),
        "cannot read the image p/9.png: it is a pointer of Git LFS to an image that was not fetched; git "
        "lfs pull fetches it",
        given=several(
            pictures("p"),
            file("p/9.png", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        ),
    ),
    "a picture without content": Mistake(
        TRAIN.replace("photos", "p"),
        "cannot read the image p/9.png: the file is empty",
        given=several(pictures("p"), file("p/9.png")),
    ),
    "a patch larger than the images": Mistake(
        f"{TRAIN} data.patch_size=64",
        "photos/0.png is 32x32 (height x width), smaller than data.patch_size=64\n"
        "photos/1.png is 32x32 (height x width), smaller than data.patch_size=64\n"
        "photos/2.png is 32x32 (height x width), smaller than data.patch_size=64\n"
        "photos/3.png is 32x32 (height x width), smaller than data.patch_size=64\n"
        "photos/4.png is 32x32 (height x width), smaller than data.patch_size=64",
    ),
    "a patch of another scale": Mistake(
        f"{TRAIN} scale=3",
        "data.patch_size=16 is not a multiple of scale=3; choose 15 or 18",
    ),
    "no patch": Mistake(
        f"{TRAIN} data.patch_size=0 data.batch_size=0 data.steps_per_epoch=0",
        "data.batch_size=0 must be 1 or more\n"
        "data.patch_size=0 must be 1 or more\n"
        "data.steps_per_epoch=0 must be 1 or more",
    ),
    "workers below nothing": Mistake(
        f"{TRAIN} data.workers=-1",
        "data.workers=-1 must be 0 or more, or auto",
    ),
    "workers in words": Mistake(
        f"{TRAIN} data.workers=many",
        "data.workers='many': must be int | Literal['auto'], not str",
    ),
    "where to keep them": Mistake(
        f"{TRAIN} data.cache=ram",
        "data.cache='ram': must be one of auto, memory, disk, device, none.",
    ),
    "channels": Mistake(
        f"{TRAIN} channels=4",
        "photos/0.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images\n"
        "photos/1.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images\n"
        "photos/2.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images\n"
        "photos/3.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images\n"
        "photos/4.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images\n"
        "photos/5.png: an image of 3 channels cannot become one of 4; set channels=3, or use other "
        "images",
    ),
    "nothing held out": Mistake(
        f"{TRAIN} data.held_out=0",
        "held_out=0 must be 1 or more",
    ),
    "scales of a random degradation": Mistake(
        f"{TRAIN} data.scales=[2,3] degradation=real_esrgan",
        "data.scales enlarges what degradation=bicubic made; choose that, or data.scales=null",
    ),
    "colours of grey images": Mistake(
        f"{TRAIN} channels=1 data.augment.permute_rgb=0.5",
        "data.augment.permute_rgb=0.5 needs channels=3",
    ),
    "a cut that shows nothing": Mistake(
        f"{TRAIN} data.augment.cutblur=0.5",
        "data.augment.cutblur pastes what degradation=bicubic makes, so it would change nothing; it "
        "needs a random degradation, pairs, or data.scales",
    ),
    "a probability": Mistake(
        f"{TRAIN} data.augment.mixup=1.5",
        "data.augment.mixup=1.5 is a probability and must be from 0 to 1",
    ),
    "sizes in words": Mistake(
        f"{TRAIN} data.augment.crop_scale=big",
        "data.augment.crop_scale='big': must be Sequence[float] | None, not str",
    ),
    "sizes backwards": Mistake(
        f"{TRAIN} data.augment.crop_scale=[2,1]",
        "data.augment.crop_scale=[2, 1] must be two numbers [low, high], the smaller one first, from "
        "0.25 to 8",
    ),
    "a folder and pairs": Mistake(
        f"{TRAIN} +data.gt=a +data.lq=b",
        "training images are given by data.root and by data.gt and lq; choose one: data=folder "
        "data.root=FOLDER, data=paired data.gt=FOLDER data.lq=FOLDER, or a data set such as data=div2k",
    ),
    "a degradation of another scale": Mistake(
        f"{TRAIN} degradation.scale=3",
        "the degradation shrinks by 3, but scale=2",
    ),
    "no images to validate on": Mistake(
        f"{TRAIN} data.val_root=absent",
        f"the folder absent does not exist\n{WHERE}",
    ),
    "small images to validate on": Mistake(
        f"{TRAIN} data.val_root=v",
        "v/0.png is 12x12 (height x width), too small to be measured: each side needs 15 pixels",
        given=pictures("v", 1, (12, 12)),
    ),
    "a set that is missing": Mistake(
        "data=div2k",
        f"the folder data/DIV2K does not exist\nthe folder data/DIV2K_valid does not exist\n{WHERE}",
    ),
    "a set that is missing elsewhere": Mistake(
        "data=t91 'data_dir=my sets'",
        f"the folder my sets/T91 does not exist\nthe folder my sets/Set5 does not exist\n{WHERE}",
    ),
    "benchmarks that are missing": Mistake(
        f"{TRAIN} benchmark=set5,set14",
        f"the folder data/Set5 does not exist\nthe folder data/Set14 does not exist\n{WHERE}",
    ),
    "pairs without small images": Mistake(
        "data=paired data.gt=photos",
        "data.lq=??? needs a value: data.lq=FOLDER",
    ),
    "pairs of an absent folder": Mistake(
        PAIRS,
        "the folder lq does not exist; pairs need data.gt=FOLDER and data.lq=FOLDER",
    ),
    "pairs of a folder with a mistake in it": Mistake(
        PAIRS.replace("lq=lq", "lq=phots"),
        "the folder phots does not exist; pairs need data.gt=FOLDER and data.lq=FOLDER. Did you mean "
        "'photos'?",
    ),
    "pairs of an empty folder": Mistake(
        PAIRS,
        "the folder lq holds no image; these are read: png, jpg, jpeg, bmp, webp, tif, tiff",
        given=directory("lq"),
    ),
    "one of the pairs": Mistake(
        PAIRS,
        "no image with the same stem (or the stem and x2) in lq for: photos/5.png",
        given=pictures("lq", 5, (16, 16)),
    ),
    "pairs of another size": Mistake(
        PAIRS,
        "lq/0.png is 16x15 (height x width), but photos/0.png is 32x32, which needs 16x16 at scale=2",
        given=several(pictures("lq", 6, (16, 16)), pictures("lq", 1, (15, 16))),
    ),
    "pairs and a random degradation": Mistake(
        f"{PAIRS} degradation=bsrgan",
        "pairs bring their own lq images, so a random degradation would not be used: leave it at "
        "degradation=bicubic, or train with data=folder",
        given=pictures("lq", 6, (16, 16)),
    ),
}

SETS_IN_SHARDS: dict[str, Mistake] = {
    "no shards": Mistake(
        SHARDS,
        "s: there is no shards.json in it, so it is no set in shards; task=prepare data=... "
        "shards=URL writes it",
    ),
    "no list": Mistake(
        SHARDS,
        "s/shards.json can not be read (JSONDecodeError: Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1)); task=prepare data=... shards=URL writes it",
        given=file("s/shards.json", "{oops"),
    ),
    "another format": Mistake(
        SHARDS,
        "s/shards.json can not be read (ValueError: format 9 with 1 shards); task=prepare data=... "
        "shards=URL writes it",
        given=file("s/shards.json", '{"format": 9, "shards": [1]}'),
    ),
    "half a list": Mistake(
        SHARDS,
        "s/shards.json can not be read (ValueError: scale is not in it); task=prepare data=... "
        "shards=URL writes it",
        given=file("s/shards.json", '{"format": 1, "shards": [{"name": "a"}]}'),
    ),
    "a window": Mistake(
        f"{SHARDS} data.train.window=0",
        "Sharded: window=0 and stripes=1 must be 1 or more",
    ),
    "a protocol": Mistake(
        f"{SHARDS} data.train.url=foo://bucket/x",
        "foo://bucket/x/shards.json can not be read (ValueError: Protocol not known: foo); "
        "task=prepare data=... shards=URL writes it",
    ),
    "no server": Mistake(
        f"{SHARDS} data.train.url=http://127.0.0.1:9/x",
        "http://127.0.0.1:9/x/shards.json can not be read (ClientConnectorError: Cannot connect to "
        "host 127.0.0.1:9 ssl:default [Connect call failed ('127.0.0.1', 9)]); task=prepare "
        "data=... shards=URL writes it",
    ),
    "no images to validate on": Mistake(
        "data=shards data.train.url=absent",
        "data.val.root=??? needs a value: data.val.root=FOLDER",
    ),
    "tiles of nothing": Mistake(
        f"{CHECK} shards=s tile=1",
        "task.tile=1 and task.shard_size=6.4e+07: at least 2 and 1",
    ),
    "a file for a folder": Mistake(
        f"{CHECK} shards=espcn.pth",
        "…/espcn.pth: File exists; something of that name is there already, a file perhaps where a "
        "folder is needed",
    ),
    "a protocol to write to": Mistake(
        f"{CHECK} shards=foo://a/b",
        "task.shards=foo://a/b: Protocol not known: foo; give a folder, s3://, gs:// or https://",
    ),
}
