"""What can be wrong with ``task=upscale``."""

from tests.mistakes.desk import Mistake, directory, file, pictures, several

UPSCALE = "task=upscale model=bicubic scale=2 trainer=cpu input=photos output=out"
_KNOWN = "{stem}, {suffix}, {scale}, {model} stand for what they say"

UPSCALING: dict[str, Mistake] = {
    "nothing": Mistake("task=upscale", "task=upscale needs input=PHOTO_OR_FOLDER and output=FOLDER"),
    "no output": Mistake(
        "task=upscale input=photos", "task=upscale needs input=PHOTO_OR_FOLDER and output=FOLDER"
    ),
    "no such input": Mistake(
        UPSCALE.replace("photos", "nowhere"), "input=nowhere: there is no such file or folder"
    ),
    "an input with a mistake in it": Mistake(
        UPSCALE.replace("photos", "photo"),
        "input=photo: there is no such file or folder. Did you mean 'photos'?",
    ),
    "a glob of nothing": Mistake(UPSCALE.replace("photos", "'*.jpg'"), "input=*.jpg: no file matches"),
    "a folder without images": Mistake(
        UPSCALE.replace("photos", "d"),
        "input=d: no images or videos there; these are read: png, jpg, …",
        given=directory("d"),
    ),
    "results among the inputs": Mistake(
        UPSCALE.replace("=out", "=photos"),
        "output=photos is the folder of the inputs, so the next call would take results for inputs; give "
        "another, which may lie in it",
    ),
    "a file for a folder of results": Mistake(
        UPSCALE.replace("=out", "=f"), "output=f is a file; give a folder", given=file("f")
    ),
    "a format": Mistake(
        f"{UPSCALE} format=gif",
        "format=gif: choose one of png, jpg, webp, tiff, bmp, or same: as the input",
    ),
    "a name without stem": Mistake(
        f"{UPSCALE} name=x", "name=x: without {stem} all results would have one name"
    ),
    "a name with a word": Mistake(
        f"{UPSCALE} 'name={{stem}}_{{size}}'", f"name={{stem}}_{{size}}: there is no {{size}}; {_KNOWN}"
    ),
    "a name with a folder": Mistake(
        f"{UPSCALE} 'name=a/{{stem}}'", "name=a/{stem}: it names a file; the folder is output=FOLDER"
    ),
    "a name that is not closed": Mistake(
        f"{UPSCALE} 'name={{stem'", f"name={{stem: expected '}}' before end of string; {_KNOWN}"
    ),
    "a quality": Mistake(f"{UPSCALE} quality=101", "quality=101: must be from 1 to 100"),
    "a way of alpha": Mistake(
        f"{UPSCALE} alpha=nearest", "task.alpha='nearest': must be one of bicubic, net.…"
    ),
    "two of one name": Mistake(
        UPSCALE.replace("photos", "d"),
        "name={stem}_x{scale}: a.jpg and a.png would both become a_x2.png; name={stem}_{suffix}_x{scale} "
        "tells them apart, and so does format=same",
        given=several(file("d/a.jpg"), file("d/a.png")),
    ),
    "no weights": Mistake(
        UPSCALE.replace("bicubic", "espcn"),
        "model=espcn has weights, and none are given: checkpoint=RUN, or checkpoint=FILE together with "
        "model=",
    ),
    "no such weights": Mistake(
        f"{UPSCALE} checkpoint=nowhere",
        "checkpoint=nowhere: there is no such run, checkpoint or weight file",
    ),
    "no such graph": Mistake(f"{UPSCALE} checkpoint=a.onnx", "checkpoint=a.onnx: there is no such file"),
    "a precision": Mistake(
        f"{UPSCALE} precision=64-true",
        "precision=64-true: images are restored in float32 (auto, 32-true) or with bf16-mixed",
    ),
    "too small a tile": Mistake(
        f"{UPSCALE} tile=8 tile_overlap=32",
        "tile=8: with 32 pixels of overlap on both sides nothing of a tile would be kept; give a tile of at "
        "least 65 pixels or a smaller overlap",
    ),
    "a tile below nothing": Mistake(
        f"{UPSCALE} tile=-8", "tile=-8: a side in pixels of the input; 0: no tiles, null: by the free memory"
    ),
    "a picture that is cut": Mistake(
        UPSCALE.replace("photos", "p"),
        "1 of 2 images could not be restored; the others are done\n  9.png: cannot read the image p/9.png: "
        "it is no PNG, JPEG, BMP, WebP or TIFF, or its header is broken\neach of them is in …files.csv",
        given=several(pictures("p", 1), file("p/9.png", "hello")),
    ),
}
