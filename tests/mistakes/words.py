"""What is typed that is no name or value of the config."""

from tests.mistakes.desk import DEGRADE, TRAIN, Mistake, file

WORDS: dict[str, Mistake] = {
    "no choice": Mistake(
        "model=",
        "model=: no such choice. model has: ….",
    ),
    "null for a group": Mistake(
        "net=null",
        "net=null: a group takes the name of a choice, as model=rcan; --help lists them",
    ),
    "a task": Mistake(
        "task=trian",
        "task=trian: no such choice. Did you mean 'train'? task has: convert, dashboard, degrade, evaluate, "
        "export, prepare, profile, report, train, upscale, wandb_sweep.",
    ),
    "a benchmark": Mistake(
        "benchmark=set15",
        "benchmark=set15: no such choice. Did you mean 'set5'? benchmark has: bsd100, div2k_valid, "
        "manga109, set14, set5, stereo, urban100.",
    ),
    "a metric": Mistake(
        "metric=lpisp",
        "metric=lpisp: no such choice. Did you mean 'lpips'? metric has: dists, ergas, lpips, "
        "lpips_random, lr_psnr, niqe, psnr_window, rmse, sam.",
    ),
    "a logger": Mistake(
        "logger=wandbb",
        "logger=wandbb: no such choice. Did you mean 'wandb'? logger has: csv, tensorboard, wandb.",
    ),
    "a degradation": Mistake(
        "degradation=real_esrgn",
        "degradation=real_esrgn: no such choice. Did you mean 'real_esrgan'? degradation has: "
        "bicubic, blur_downscale, bsrgan, camera, classical, real_esrgan, video.",
    ),
    "a scale with a fraction": Mistake(
        "scale=2.5",
        "scale=2.5: Value '2.5' of type 'float' could not be converted to Integer; give a whole number",
    ),
    "two scales in one run": Mistake(
        "scale=2,3",
        "scale=2,3: several values where one is meant. One run for each: add -m. A list: "
        "scale=[2,3]. A comma that belongs to the value: \"scale='2,3'\"",
    ),
    "a seed that is a word": Mistake(
        "seed=abc",
        "seed=abc: Value 'abc' of type 'str' could not be converted to Integer; give a whole number",
    ),
    "no precision": Mistake(
        "precision=null",
        "precision=null: field 'precision' is not Optional; null is not possible here",
    ),
    "a flag that is neither": Mistake(
        "debug=maybe",
        "debug=maybe: Value 'maybe' is not a valid bool (type str); give true or false",
    ),
    "an empty number": Mistake(
        "optimizer.lr=",
        "optimizer.lr='': must be float | Tensor, not str",
    ),
    "no key": Mistake(
        "=3",
        "=3: a group takes the name of a choice, as model=rcan; --help lists them",
    ),
    "a bracket": Mistake(
        "benchmark=[set5",
        "benchmark=[set5: Hydra does not take this value as it is. Is a bracket or a quote not "
        "closed? As text: \"benchmark='[set5'\"",
    ),
    "a quote": Mistake(
        '"name=\'a"',
        "name='a: Hydra does not take this value as it is. Is a bracket or a "
        "quote not closed? As text: 'name='\"'\"'\\'\"'\"'a'\"'\"''",
    ),
    "a name that is nowhere": Mistake(
        "name=\\${scael}",
        "Interpolation key 'scael' not found, in hydra.run.dir",
    ),
    "a config that is nowhere": Mistake(
        "--config-name=foo",
        "Cannot find primary config 'foo'. Check that it's in your config search path.\n"
        "Config search path:\n"
        "provider=hydra, path=pkg://hydra.conf\n"
        "provider=main, path=file://…/conf\n"
        "provider=schema, path=structured://",
    ),
    "a folder of configs": Mistake(
        "--config-dir=absent",
        "Additional config directory '…/absent' not found",
    ),
    "nothing to delete": Mistake(
        "~nothing",
        "Could not delete from config. 'nothing' does not exist.",
    ),
    "no loss": Mistake(
        "~loss",
        "loss=??? needs a value: loss=VALUE",
    ),
    "no task": Mistake(
        "~task",
        "task=??? needs a value: task=VALUE",
    ),
    "a patch of a scale of seven": Mistake(
        "scale=7 model=bicubic data.patch_size=96",
        "data.patch_size=96 is not a multiple of scale=7; choose 91 or 98",
    ),
    "a net inside": Mistake(
        "model=noisy net@net.inner=none",
        "net=none: no such choice. Did you mean 'unet'? net has: ….",
    ),
    "a value inside a list": Mistake(
        f"{DEGRADE} degradation=real_esrgan degradation.steps[0].x=1",
        "Error parsing override 'degradation.steps[0].x=1': it must be KEY=VALUE, such as model=rcan",
    ),
    "a callback": Mistake(
        f"{TRAIN} +callbacks.x._target_=foo.bar",
        "callbacks.x._target_: there is no module 'foo'.",
    ),
}

SWEEPS: dict[str, Mistake] = {
    "a member that is not there": Mistake(
        "-m " + TRAIN.replace("model=espcn", "model=espcn,espcnn"),
        "model=espcnn: no such choice. Did you mean 'espcn'? model has: ….",
    ),
    "a member of a scale of nothing": Mistake(
        "-m hydra.sweep.dir=s " + TRAIN.replace("scale=2", "scale=2,0"),
        "scale=0: must be 1 or more\n  of run 1 (scale=0)",
    ),
    "a member that is a word": Mistake(
        f"-m hydra.sweep.dir=s {TRAIN} seed=0,x",
        "seed=x: Value 'x' of type 'str' could not be converted to Integer; give a whole number",
    ),
    "a member that is there": Mistake(
        f"-m hydra.sweep.dir=s {TRAIN} seed=0,1",
        "s/0-espcn already holds a run that is not of this sweep: take another folder",
        given=file("s/0-espcn/run.json", "{}"),
    ),
    "a folder of a run": Mistake(
        f"-m run=run {TRAIN} seed=0,1",
        "run holds a single run: a sweep takes another folder",
    ),
    "a record that is not one": Mistake(
        "run=s",
        "s/sweep.json is not the record of a sweep, or is damaged: take another folder, or delete that file "
        "(the runs beside it stay, and run=FOLDER continues each)",
        given=file("s/sweep.json", "{}"),
    ),
    "another choice while completing": Mistake(
        "run=s seed=3",
        "run=s completes the sweep that is there, so seed=3 has no place; it was begun with: -m seed=1,2. "
        "Only the launcher can be another one, and of a search trials=; with -m runs are added",
        given=file("s/sweep.json", '{"arguments": ["seed=1,2"], "jobs": []}'),
    ),
    "a password that is not written down": Mistake(
        "run=s",
        "run=s: a password was left out of sweep.json; type the whole command again, with -m",
        given=file("s/sweep.json", '{"arguments": ["data.train.url=https://<hidden>@x"], "jobs": []}'),
    ),
    "two words for the same": Mistake(
        f"-m run=s hydra.sweep.dir=t {TRAIN}",
        "run=FOLDER and hydra.sweep.dir=FOLDER name the same: give one of them",
    ),
    "runs that share a folder": Mistake(
        f"-m run=s 'hydra.sweep.subdir=${{name}}' {TRAIN} seed=1,2",
        "hydra.sweep.subdir: two runs of the sweep would share the folder espcn; ${hydra:job.num} in it "
        "tells them apart",
    ),
    "an interval": Mistake(
        f"-m run=s {TRAIN} 'seed=interval(1,2)'",
        "seed=interval(1,2): an interval has no end of values; sweep=optuna searches in it, and without a "
        "search give values: KEY=1,2,3",
    ),
    "a search for nothing": Mistake(
        f"sweep=optuna run=s {TRAIN} optimizer.lr=1 net.features=8",
        "sweep=optuna: nothing is left to search; such as optimizer.lr='tag(log,interval(1e-5,1e-2))'",
    ),
    "a search without runs": Mistake(
        f"sweep=optuna run=s trials=0 {TRAIN}",
        "trials=0: must be 1 or more",
    ),
    "a search for the best of the last": Mistake(
        f"sweep=optuna run=s {TRAIN} loss=gan",
        "sweep=optuna: against an adversary the best checkpoint is the last one and has no score; "
        "objective=lpips_random (or another metric of the final table) says what is better",
    ),
    "a preview of something else": Mistake(
        f"-m --dry-run=fast {TRAIN}",
        "--dry-run=fast: --dry-run lists the runs, --dry-run=measure takes a few steps of each",
    ),
    "a range without end": Mistake(
        f"-m {TRAIN} 'seed=range(0,2'",
        "seed=range(0,2: Hydra does not take this value as it is. Is a bracket or a quote not "
        "closed? As text: \"seed='range(0,2'\"",
    ),
    "a choice of nothing": Mistake(
        f"-m {TRAIN} 'seed=choice()'",
        "seed=choice(): ValueError while evaluating 'choice()': empty choice is not legal",
    ),
}
