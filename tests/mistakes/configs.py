"""Mistakes in YAML files of the user's, and in paths."""

from tests.mistakes.desk import EVALUATE, MINE, TRAIN, Mistake, file, linked, pictures

CONVOLUTION = "in_channels: 3\nout_channels: 3\nkernel_size: 3\n"

FILES_OF_CONFIGS: dict[str, Mistake] = {
    "a bracket": Mistake(
        f"{MINE} net=mine",
        "…/extra/net/mine.yaml, line 2, column 1: while parsing a flow node: expected the node "
        "content, but found '<stream end>'",
        given=file("extra/net/mine.yaml", "_target_: [\n"),
    ),
    "a tab": Mistake(
        f"{MINE} net=mine",
        "…/extra/net/mine.yaml, line 2, column 1: while scanning for the next token: found "
        "character '\\t' that cannot start any token",
        given=file("extra/net/mine.yaml", "_target_: a\n\tx: 3\n"),
    ),
    "a key twice": Mistake(
        f"{MINE} net=mine",
        "…/extra/net/mine.yaml, line 3, column 1: while constructing a mapping: found duplicate key scale",
        given=file("extra/net/mine.yaml", "_target_: a.b\nscale: 1\nscale: 2\n"),
    ),
    "Latin-1": Mistake(
        f"{MINE} net=mine",
        "…/extra/net/mine.yaml: byte 3 is not UTF-8 (invalid start byte); save the file as UTF-8",
        given=file("extra/net/mine.yaml", "# für\n".encode("latin-1")),
    ),
    "no class": Mistake(
        f"{MINE} net=mine",
        "net: there is no _target_ in it, so nothing says which class is built; conf/net/*.yaml are examples",
        given=file("extra/net/mine.yaml", "scale: 2\n"),
    ),
    "a list": Mistake(
        f"{MINE} net=mine",
        "net: there is no _target_ in it, so nothing says which class is built; conf/net/*.yaml are examples",
        given=file("extra/net/mine.yaml", "- a\n- b\n"),
    ),
    "nothing": Mistake(
        f"{MINE} net=mine",
        "net._target_=None: it makes a DictConfig, and a net is a class derived from "
        "sr_experiments.nets.base.SRNet, which says what it must keep",
        given=file("extra/net/mine.yaml", ""),
    ),
    "a module that is not there": Mistake(
        f"{MINE} net=mine",
        "net._target_: there is no module 'sr_experiments.nets.espnc'. Did you mean 'espcn'?",
        given=file("extra/net/mine.yaml", "_target_: sr_experiments.nets.espnc.ESPCN\n"),
    ),
    "a layer for a net": Mistake(
        f"{MINE} net=mine",
        "net._target_=torch.nn.Conv2d: it makes a Conv2d, and a net is a class derived from "
        "sr_experiments.nets.base.SRNet, which says what it must keep",
        given=file(
            "extra/net/mine.yaml",
            "_target_: torch.nn.Conv2d\nin_channels: 3\nout_channels: 3\nkernel_size: 3\n",
        ),
    ),
    "a choice": Mistake(
        f"{MINE} experiment=mine",
        "net=edrs: no such choice. Did you mean 'edsr'? net has: ….",
        given=file("extra/experiment/mine.yaml", "# @package _global_\ndefaults:\n  - override /net: edrs\n"),
    ),
    "a group": Mistake(
        f"{MINE} experiment=mine",
        "In 'experiment/mine': Could not override 'nte'. No match in the defaults list.",
        given=file("extra/experiment/mine.yaml", "# @package _global_\ndefaults:\n  - override /nte: edsr\n"),
    ),
    "a second choice": Mistake(
        f"{MINE} experiment=mine",
        "Multiple values for net. To override a value use 'override net: edsr'",
        given=file("extra/experiment/mine.yaml", "# @package _global_\ndefaults:\n  - /net: edsr\n"),
    ),
    "no package": Mistake(
        f"{MINE} experiment=mine",
        "In 'experiment/mine': its first line must be '# @package _global_', so that its keys are the run's",
        given=file("extra/experiment/mine.yaml", "scale: 2\n"),
    ),
    "a word for a number": Mistake(
        f"{MINE} experiment=mine",
        "In 'experiment/mine': ValidationError raised while composing config:\n"
        "Value 'two' of type 'str' could not be converted to Integer, in scale",
        given=file("extra/experiment/mine.yaml", "# @package _global_\nscale: two\n"),
    ),
    "a key": Mistake(
        f"{MINE} experiment=mine",
        "trainer.max_epoch: Trainer has no argument 'max_epoch'. Did you mean 'max_epochs'? It takes: …",
        given=file("extra/experiment/mine.yaml", "# @package _global_\ntrainer:\n  max_epoch: 3\n"),
    ),
}

PATHS: dict[str, Mistake] = {
    "a space": Mistake(
        TRAIN.replace("data.root=photos", "'data.root=my photos'"),
        given=pictures("my photos"),
    ),
    "letters beyond ASCII": Mistake(
        TRAIN.replace("data.root=photos", "\"data.root='Bilder-ä 写真'\""),
        given=pictures("Bilder-ä 写真"),
    ),
    "an equals sign": Mistake(
        TRAIN.replace("data.root=photos", "\"data.root='a=b'\""),
        given=pictures("a=b"),
    ),
    "brackets": Mistake(
        TRAIN.replace("data.root=photos", "\"data.root='fotos[1] (2)'\""),
        given=pictures("fotos[1] (2)"),
    ),
    "a dollar sign": Mistake(
        TRAIN.replace("data.root=photos", "'data.root=$x'"),
        given=pictures("$x"),
    ),
    "a colon": Mistake(
        TRAIN.replace("data.root=photos", "data.root=a:b"),
        given=pictures("a:b"),
    ),
    "a minus": Mistake(
        TRAIN.replace("data.root=photos", "data.root=-x"),
        given=pictures("-x"),
    ),
    "a number": Mistake(
        TRAIN.replace("data.root=photos", "\"data.root='123'\""),
        given=pictures("123"),
    ),
    "a run of letters beyond ASCII": Mistake(
        f"{TRAIN} \"hydra.run.dir='läufe [1]=ü'\"",
    ),
    "an output with a space": Mistake(
        "task=export checkpoint=run 'output=\"my weights.pth\"'",
    ),
    "a checkpoint with a space": Mistake(
        f"{EVALUATE} 'checkpoint=my runs/run'",
        given=linked("run", "my runs/run"),
    ),
    "an equals sign without quotes": Mistake(
        f"{TRAIN} name=a=b", "name=a=b: this value can not be read as it is. As text: \"name='a=b'\""
    ),
    "letters without quotes": Mistake(
        f"{TRAIN} name=Netz-ä",
        "name=Netz-ä: this value can not be read as it is. As text: \"name='Netz-ä'\"",
    ),
    "brackets without quotes": Mistake(
        f"{TRAIN} name=net[1]",
        "name=net[1]: this value can not be read as it is. Is a bracket or a quote not closed? As text: "
        "\"name='net[1]'\"",
    ),
    "a comma without quotes": Mistake(
        f"{TRAIN} name=a,b",
        "name=a,b: several values where one is meant. One run for each: add -m. A list: name=[a,b]. A comma "
        "that belongs to the value: \"name='a,b'\"",
    ),
    "an apostrophe without quotes": Mistake(
        f'{TRAIN} "name=it\'s"',
        "name=it's: this value can not be read as it is. Is a bracket or "
        "a quote not closed? As text: 'name='\"'\"'it\\'\"'\"'s'\"'\"''",
    ),
    "a folder needs no quotes": Mistake(
        TRAIN.replace("data.root=photos", '"data.root=it\'s a=b, [1] (ä)"'),
        given=pictures("it's a=b, [1] (ä)"),
    ),
}
