"""Every line that the README tells people to type: how it is typed here, in toy sizes, or which test has it.

Names in capitals stand for what people have; `desk` in test_readme_typed.py lays it out. A line that the
README has and this file has not, and the reverse, is an error.
"""

import re
from dataclasses import dataclass

_PROGRAM = "python -m sr_experiments"
# Sizes that no line of the README names. Net, loss, data and what is written are real.
TRAIN = (
    "data.steps_per_epoch=1 trainer.max_epochs=1 data.patch_size=32 data.batch_size=2 data.workers=0 "
    "trainer.log_every_n_steps=1 callbacks.images.count=1 trainer=cpu"
)
EDSR = f"{TRAIN} net.features=8 net.blocks=1"
RCAN = f"{EDSR} net.groups=1 net.reduction=4"
PROFILE = "ways=eager repeats=1 seconds=1 memory=false"


@dataclass(frozen=True)
class Line:
    """How a line of the README is typed.

    Attributes:
        more: Words behind it.
        instead: Of it -> what is typed in its place: names in capitals, numbers of runs.
        prints: A pattern that what it prints has.
        code: With which it ends.
    """

    more: str = ""
    instead: tuple[tuple[str, str], ...] = ()
    prints: str = ""
    code: int = 0

    def typed(self, line: str, number: int) -> str:
        """The line as it is typed.

        Folders of runs have the second in their names, and two lines may be typed within one: `number` is in
        place of it, where the line gives no folder.
        """
        for old, new in self.instead:
            assert old in line, f"{line} has no {old}"
            line = line.replace(old, new)
        line = f"{line} {self.more}".strip()
        if re.search(r" (run|hydra\.run\.dir)=| --help| -c job", line):
            return line
        model = re.search(r" model=(\w+)", line)
        kind = "sweep" if re.search(r"^ -m | sweep=", line.removeprefix(_PROGRAM)) else "run"
        return f"{line} hydra.{kind}.dir=runs/typed/{number:02}-{model[1] if model else 'other'}"


TABLE = r"data set\s+┃ metric"  # of a training that was tested
LINES = {
    "": Line(TRAIN, prints="DEMO RUN"),
    "model=rcan loss=perceptual": Line(RCAN, prints=TABLE),
    "model=edsr_baseline loss=gan": Line(EDSR, prints=TABLE),
    "model=edsr_baseline scale=2": Line(EDSR, prints=r"x2 +DEMO RUN"),
    "data=folder data.root=PHOTOS": Line(TRAIN, prints=TABLE),
    "data=guided data.root=DEPTH model=guided": Line(f"{TRAIN} net.features=4 run=GUIDED", prints=TABLE),
    "data=div2k benchmark=set5,set14": Line(TRAIN, prints=r"set14"),
    "init_from=RUN scale=3": Line(TRAIN.replace("=32", "=33"), prints=TABLE),
    "model=recognised init_from=FILE": Line(TRAIN, instead=(("FILE", "RUN.safetensors"),), prints=r"┃ +gain"),
    "experiment=edsr_baseline_x4": Line(EDSR, prints=TABLE),
    "model=rcan run=runs/rcan": Line(RCAN, prints=TABLE),
    # Their files are not at hand, and nothing may be downloaded here: the message says what is missing.
    "metric=lpips,niqe": Line(TRAIN, prints=r"error: ", code=2),
    "logger=csv,wandb": Line(f"{TRAIN} logger.wandb.offline=true", prints=TABLE),
    "-m loss=l1,charbonnier seed=0,1,2": Line(TRAIN, prints=r"charbonnier"),
    "--help": Line(prints=r"experiment.*edsr_baseline_x4"),
    "model=rcan -c job": Line(prints=r"_target_: sr_experiments\.nets\.rcan\.RCAN"),
    "task=evaluate model=bicubic benchmark=set5,set14": Line("trainer=cpu", prints=r"set14 x4"),
    "task=evaluate checkpoint=RUN benchmark=set5 scale=4": Line("trainer=cpu", prints=r"set5 x4"),
    "task=evaluate model=vdsr checkpoint=FILE benchmark=set5 scale=2,3,4": Line(
        "trainer=cpu", instead=(("FILE", "vdsr.pth"),), prints=r"set5 x3 .* 33\.66"
    ),
    "task=upscale checkpoint=RUN input=PHOTOS output=OUT": Line(
        "trainer=cpu", prints=r"done +6 images in OUT"
    ),
    "task=upscale model=bicubic input=PHOTOS output=OUT": Line(
        "trainer=cpu", instead=(("OUT", "PLAIN"),), prints=r"done +6 images in PLAIN"
    ),
    "task=upscale checkpoint=RUN input=SCANS output=OUT": Line("trainer=cpu", prints=r"done +3 "),
    "task=upscale checkpoint=RUN input=DEPTH guide=COLOUR output=OUT": Line(
        "trainer=cpu",
        instead=(("RUN", "GUIDED"), ("DEPTH", "SHALLOW"), ("COLOUR", "DEPTH/guide"), ("OUT", "UP")),
        prints=r"done +4 images",
    ),
    "task=upscale checkpoint=RUN input=CLIP.mp4 output=OUT": Line("trainer=cpu", prints=r"done +1 "),
    "task=export checkpoint=RUN format=safetensors,onnx,torch_export output=FOLDER": Line(prints=r"onnx"),
    "task=export checkpoint=RUN output=net.onnx dtype=float16": Line(prints=r"net\.onnx"),
    "task=report runs=runs": Line(prints=r"report\.html"),
    "task=report runs=SWEEP,runs/2026-*/*-rcan output=docs/report": Line(
        instead=(("SWEEP", "RUN"), ("2026-*", "*")), prints=r"docs/report/report\.html"
    ),
    "task=profile model=rcan": Line(f"{PROFILE} sizes=[[8,8]]", prints=r"rcan"),
    "task=profile models=edsr_baseline,rcan,srvgg sizes=[[64,64],[180,320]]": Line(
        PROFILE, instead=(("[[64,64],[180,320]]", "[[8,8],[8,12]]"),), prints=r"srvgg"
    ),
    "task=profile runs=runs": Line(f"{PROFILE} sizes=[[8,8]]", prints=r"rcan"),
    "task=profile realtime=true scale=2": Line(f"{PROFILE} models=espcn,bilinear", prints=r"frames"),
    "task=profile trace=true model=rcan data=div2k": Line(f"{RCAN} steps=2", prints=r"data wait"),
    "task=degrade degradation=real_esrgan": Line(
        "hydra.run.dir=DEGRADED samples=4 data.patch_size=64", prints=r"samples\.json"
    ),
    "task=degrade degradation=real_esrgan values=RUN/samples.json sample=3": Line(
        "data.patch_size=64", instead=(("RUN", "DEGRADED"),), prints=r"samples\.json"
    ),
    "model=rrdbnet degradation=real_esrgan data.augment.cutblur=0.3": Line(
        f"{EDSR} net.growth=4", prints=TABLE
    ),
    # A folder for the bucket: tests have no network. The rest of the way is the same.
    "task=prepare data=div2k shards=s3://BUCKET/DIV2K": Line(
        "data.patch_size=32", instead=(("s3://BUCKET/DIV2K", "SHARDS"),), prints=r"SHARDS"
    ),
    "data=shards data.train.url=s3://BUCKET/DIV2K data.val.root=FOLDER": Line(
        TRAIN, instead=(("s3://BUCKET/DIV2K", "SHARDS"), ("FOLDER", "PHOTOS")), prints=TABLE
    ),
    "task=convert input=SCANS output=ct": Line(prints=r"ct"),
    "task=convert input=SCENES output=s2 'range=[0,10000]' tile=512": Line(
        instead=(("tile=512", "tile=64"),), prints=r"s2"
    ),
    "experiment=medical_x2 data.root=ct/train data.val_root=ct/val": Line(EDSR, prints=r"psnr_16"),
    "experiment=satellite_x2 data.root=s2/train data.val_root=s2/val": Line(EDSR, prints=r"ergas"),
    "model=rcan net.redction=8": Line(prints=r"error: net\.redction: no such key\. Did you mean", code=2),
    "-m loss=l1,charbonnier seed=1,2,3 run=runs/small": Line(TRAIN, prints=r"charbonnier"),
    "run=runs/small": Line(prints=r"charbonnier"),
    # Two processes instead of six: each takes ten seconds to start.
    "-m loss=l1,charbonnier seed=1,2,3 hydra/launcher=joblib": Line(
        TRAIN, instead=(("seed=1,2,3", "seed=1"),), prints=r"charbonnier"
    ),
    "sweep=optuna model=edsr_baseline trials=30 run=runs/search": Line(
        EDSR, instead=(("trials=30", "trials=2"),), prints=r"optimizer\.lr"
    ),
    "sweep=optuna 'optimizer.lr=tag(log,interval(1e-4,1e-2))' net.features=64": Line(
        f"{TRAIN} trials=1", instead=(("=64", "=8"),), prints=r"optimizer\.lr"
    ),
}
# Lines that are typed by another test, or only begun, and why.
ELSEWHERE = {
    "make demo": "tests/test_packaging.py; the recipe's own line is the first one above",
    "make test": "it runs this",
    "make check": "it runs this, and what CI runs before",
    "make docs": "tests/docs/test_site.py",
    "make notebooks": "tests/test_notebooks.py",
    "make help": "tests/test_readme.py looks at what it greps",
    ". .venv/bin/activate": "of Python's own environments",
    "pip install .": "tests/test_packaging.py, slow: the wheel in an empty environment",
    'pip install "sr-experiments[sweeps]"': "its name is on no index yet; the extra is in pyproject.toml",
    "python docs/site/nets.py --write": "tests/docs/test_nets_table.py",
    "python benchmarks/step.py": "tests/test_benchmarks.py",
    f"{_PROGRAM} model=edsr trainer=ddp": "takes all GPUs; on the CPU tests/tasks/test_devices.py",
    f"{_PROGRAM} model=edsr trainer=ddp trainer.devices=4": "tests/tasks/test_devices.py, with two processes",
    f"{_PROGRAM} -m model=edsr,rcan seed=1,2 trainer=ddp trainer.devices=2": (
        "tests/tasks/test_devices.py, four runs in a sweep"
    ),
    f"{_PROGRAM} trainer=ddp trainer.devices=2 trainer.accelerator=cpu": "tests/tasks/test_devices.py",
    "torchrun --nproc-per-node 4 -m sr_experiments model=edsr trainer=ddp trainer.devices=4": (
        "tests/tasks/test_torchrun_and_srun.py, with two processes"
    ),
    "srun --nodes 2 --ntasks-per-node 4 sr-experiments model=edsr trainer=ddp trainer.devices=4 "
    "trainer.num_nodes=2": "tests/tasks/test_torchrun_and_srun.py, with SLURM's variables",
    f"{_PROGRAM} task=prepare benchmark=set5,set14": "downloads; tests/prepare has a server of its own",
}


def lines_of(readme: str) -> list[str]:
    """What the README tells people to type, in order: lines of its blocks, and whole commands in its text."""
    found, fenced = [], False
    for line in readme.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            command = re.split(r" {2,}", line.removeprefix("$ "))[0]
            found += [command] if re.match(r"(python|make|torchrun|srun|pip|\.) ", command) else []
        else:
            found += re.findall(r"`((?:python \S+\.py|make \w|pip install)[^`]*)`", line)
    return list(dict.fromkeys(found))


def words_of(line: str) -> str | None:
    """The words behind the program's name; None for a line of another program."""
    return line.removeprefix(_PROGRAM).strip() if line.startswith(_PROGRAM) else None
