"""Weights that are not there, are not weights, or are another net's."""

import torch

from sr_experiments.nets.vdsr import VDSR
from tests.mistakes.desk import (
    EVALUATE,
    TRAIN,
    Malice,
    Mistake,
    changed,
    cut,
    directory,
    diverged,
    file,
    linked,
    of_config,
    saved,
    wider,
)

VDSR_OF_LUMA = saved("x.pth", VDSR(scale=2, in_channels=1).state_dict())

CHECKPOINTS: dict[str, Mistake] = {
    "none": Mistake(
        f"{EVALUATE} model=espcn",
        "model=espcn has weights, and none are given: checkpoint=RUN, or checkpoint=FILE together "
        "with model=",
    ),
    "absent": Mistake(
        f"{EVALUATE} checkpoint=absent",
        "checkpoint=absent: there is no such run, checkpoint or weight file",
    ),
    "a run with a mistake in it": Mistake(
        f"{EVALUATE} checkpoint=rums/first",
        "checkpoint=rums/first: there is no such run, checkpoint or weight file. Did you mean 'runs/first'?",
        given=linked("run", "runs/first"),
    ),
    "a file with a mistake in it": Mistake(
        f"{EVALUATE} model=espcn checkpoint=escpn.pth",
        "checkpoint=escpn.pth: there is no such run, checkpoint or weight file. Did you mean 'espcn.pth'?",
    ),
    "an empty folder": Mistake(
        f"{EVALUATE} checkpoint=e",
        "checkpoint=e: a folder without checkpoints/best.ckpt or last.ckpt, so not a run of ours",
        given=directory("e"),
    ),
    "an empty file": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: an empty "
        "file",
        given=file("x.pth"),
    ),
    "a web page": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: a web "
        "page, as a download leaves it that was answered with an error",
        given=file("x.pth", "<html>404"),
    ),
    "a pointer": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: a "
        "git-lfs pointer instead of the file: fetch it with git lfs pull",
        given=file("x.pth", "version https://git-lfs.github.com/spec/v1\n"),
    ),
    "the beginning of a file": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: the "
        "beginning of a PyTorch file, which breaks off: fetch it again",
        given=cut("espcn.pth", "x.pth", 1000),
    ),
    "a picture": Mistake(
        f"{EVALUATE} model=espcn checkpoint=photos/0.png",
        "photos/0.png: can not be opened as weights. Expected a whole .safetensors file, or tensors "
        "saved by torch.save without any other objects (opening such a file runs no code). Found: "
        "nothing that torch.save wrote",
    ),
    "a program": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: a file "
        "that calls posix.system; save the state_dict of the net alone",
        given=saved("x.pth", Malice()),
    ),
    "a program as a run": Mistake(
        f"{EVALUATE} checkpoint=x.ckpt",
        "x.ckpt: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: a file "
        "that calls posix.system; save the state_dict of the net alone",
        given=saved("x.ckpt", {"a": Malice()}),
    ),
    "a whole module": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: can not be opened as weights. Expected a whole .safetensors file, or tensors saved "
        "by torch.save without any other objects (opening such a file runs no code). Found: a file "
        "that calls torch.nn.modules.linear.Linear; save the state_dict of the net alone",
        given=saved("x.pth", torch.nn.Linear(2, 2)),
    ),
    "a list": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: holds no state dict. Expected key -> tensor, or that under one of params_ema, "
        "params, state_dict, model. Found: a list",
        given=saved("x.pth", [torch.ones(2)]),
    ),
    "no tensors": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: holds no state dict. Expected key -> tensor, or that under one of params_ema, "
        "params, state_dict, model. Found: a dict with the keys 'epoch'",
        given=saved("x.pth", {"epoch": 3}),
    ),
    "another net's": Mistake(
        f"{EVALUATE} model=edsr_baseline checkpoint=espcn.pth",
        "espcn.pth: does not fit EDSR with scale=2 and channels=3. Expected 76 tensors, found 6.\n"
        "  76 missing: sub_mean.weight, sub_mean.bias, add_mean.weight, add_mean.bias, and 72 more\n"
        "  6 unexpected: first_part.0.weight, first_part.0.bias, first_part.2.weight, "
        "first_part.2.bias, and 2 more\n"
        "  Not one name is shared: these are weights of another architecture.",
    ),
    "another net's, which is known": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.pth",
        "x.pth: does not fit ESPCN with scale=2 and channels=3. Expected 6 tensors, found 40.\n"
        "  6 missing: …\n"
        "  40 unexpected: …\n"
        "  Not one name is shared: these are weights of another architecture.\n"
        "  These are the weights of model=vdsr channels=1",
        given=VDSR_OF_LUMA,
    ),
    "a net that is known, and not said": Mistake(
        f"{EVALUATE} checkpoint=x.pth",
        "x.pth: these are the weights of model=vdsr channels=1; give that beside it, the file does not tell",
        given=VDSR_OF_LUMA,
    ),
    "to start from, of a net that is known": Mistake(
        f"{TRAIN} init_from=x.pth",
        "init_from=x.pth: nothing in it fits this net; for example convs.0.weight: no such key in the net\n"
        "  These are the weights of model=vdsr channels=1",
        given=VDSR_OF_LUMA,
    ),
    "a wider net's": Mistake(
        f"{EVALUATE} model=espcn checkpoint=espcn.pth",
        "espcn.pth: does not fit ESPCN with scale=2 and channels=3. Expected 6 tensors, found 6.\n"
        "  5 of another shape or kind: first_part.0.weight: expected (64, 3, 5, 5), found (4, 3, 5, "
        "5); first_part.0.bias: expected (64,), found (4,); first_part.2.weight: expected (32, 64, "
        "3, 3), found (4, 4, 3, 3); first_part.2.bias: expected (32,), found (4,); and 1 more",
    ),
    "another scale's": Mistake(
        f"{EVALUATE} scale=3 checkpoint=run",
        "run/checkpoints/best.ckpt: does not fit ESPCN with scale=3 and channels=3. Expected 6 "
        "tensors, found 6.\n"
        "  2 of another shape or kind: last_part.0.weight: expected (27, 4, 3, 3), found (12, 4, 3, "
        "3); last_part.0.bias: expected (27,), found (12,)\n"
        "  Only the enlarging part differs: the file's net has another scale than scale=3.",
    ),
    "one number of channels more": Mistake(
        f"{EVALUATE} model=espcn net.features=4 net.mapped_features=4 checkpoint=x.pth",
        "x.pth: does not fit ESPCN with scale=2 and channels=3. Expected 6 tensors, found 6.\n"
        "  1 of another shape or kind: first_part.0.weight: expected (4, 3, 5, 5), found (4, 4, 5, 5)",
        given=changed("espcn.pth", "x.pth", wider),
    ),
    "not a number": Mistake(
        f"{EVALUATE} model=espcn net.features=4 net.mapped_features=4 checkpoint=x.pth",
        "x.pth: first_part.0.weight contain NaN or infinity: the training that wrote the file "
        "diverged, or the file is damaged; take an earlier checkpoint or fetch it again",
        given=changed("espcn.pth", "x.pth", diverged),
    ),
    "another suffix": Mistake(
        f"{EVALUATE} model=espcn checkpoint=x.safetensors",
        "x.safetensors: can not be opened as weights. Expected a whole .safetensors file, or tensors "
        "saved by torch.save without any other objects (opening such a file runs no code). Found: a "
        "PyTorch file; call it .pth",
        given=cut("espcn.pth", "x.safetensors", 10**6),
    ),
    "a config that builds a program": Mistake(
        f"{EVALUATE} checkpoint=x.ckpt",
        "x.ckpt: its config builds os.system, and only a net of sr_experiments.nets is built from a "
        "file. If you trust it, save the state_dict of its net as a plain weight file, and give "
        "model= beside it",
        given=of_config(lambda text: text.replace("sr_experiments.nets.espcn.ESPCN", "os.system")),
    ),
    "a config that is none": Mistake(
        f"{EVALUATE} checkpoint=x.ckpt",
        "x.ckpt: the config of the run inside it can not be read: while parsing a flow sequence; "
        "take another checkpoint of the run, or save its weights as a plain file and give model= "
        "beside it",
        given=of_config(lambda text: "a: [b"),
    ),
    "to start from": Mistake(
        f"{TRAIN} init_from=absent",
        "init_from=absent: there is no such run, checkpoint or weight file",
    ),
    "to start from, of another net": Mistake(
        f"{TRAIN} init_from=x.pth",
        "init_from=x.pth: nothing in it fits this net; for example a.weight: no such key in the net",
        given=saved("x.pth", {"a.weight": torch.ones(3)}),
    ),
    "small tiles": Mistake(
        f"{EVALUATE} checkpoint=run tile=8",
        "tile=8: with 32 pixels of overlap on both sides nothing of a tile would be kept; give a "
        "tile of at least 65 pixels or a smaller overlap",
    ),
    "a negative overlap": Mistake(
        f"{EVALUATE} checkpoint=run tile=80 tile_overlap=-1",
        "a tile's overlap is 0 pixels or more, not -1",
    ),
    "a scale of words": Mistake(
        EVALUATE.replace("scale=2", "scale=two checkpoint=run"),
        "task.scales=['two']: must be Sequence[int] | None, not list of str",
    ),
    "two of them": Mistake(
        f"{EVALUATE} checkpoint=run,espcn.pth",
        "checkpoint=run,espcn.pth: there is no such run, checkpoint or weight file; for several, a run for "
        "each of them, add -m",
    ),
    "a paper": Mistake(
        f"{EVALUATE} checkpoint=run paper=edsrr",
        "task.paper=edsrr: nothing of it is in the table; it has bicubic, srcnn_915, srcnn, vdsr, "
        "edsr_baseline, edsr, rcan, spandrel-swinir",
    ),
}
