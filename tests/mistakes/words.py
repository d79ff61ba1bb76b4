"""What is typed that is no name or value of the config."""

from tests.mistakes.desk import DEGRADE, TRAIN, Mistake, file

WORDS: dict[str, Mistake] = {
    "a name of another program's": Mistake(
        "learning_rate=0.1",
        "learning_rate: no such key. Did you mean 'optimizer.lr'?",
    ),
    "a key without its group": Mistake(
        "lr=0.1",
        "lr: no such key. Did you mean 'optimizer.lr'?",
    ),
    "a key without its group, in a sweep": Mistake(
        "-m batch_size=1,2",
        "batch_size: no such key. Did you mean 'data.batch_size'?",
    ),
    "a key without its group, added": Mistake(
        f"{TRAIN} +lr=0.1",
        "lr: no such key at the top level. Did you mean 'optimizer.lr'?",
    ),
    "a key of another group": Mistake(
        "schedule.lr=0.1",
        "schedule.lr: no such key. There is optimizer.lr. schedule has: warmup, interval, scheduler.",
    ),
    "a part of a key": Mistake(
        "epochs=3",
        "epochs: no such key. Did you mean 'trainer.max_epochs' or 'data.steps_per_epoch' or "
        "'trainer.check_val_every_n_epoch'?",
    ),
    "a key that repeats another": Mistake(
        "in_channels=1",
        "in_channels: no such key. Did you mean 'channels'?",
    ),
    "a group and a key of one name": Mistake(
        "scheduler=cosine",
        "scheduler: no such key. Did you mean 'schedule' or 'schedule.scheduler'?",
    ),
    "a key that is nowhere": Mistake(
        "gpus=2",
        "gpus: no such key. Without it, -c job prints those that there are.",
    ),
    "an option without its task": Mistake(
        "checkpoint=run",
        "checkpoint: no such key. It is an option of task=evaluate, task=export, task=profile, task=upscale.",
    ),
    "an option of a search": Mistake(
        "trials=3",
        "trials: no such key. It is an option of sweep=optuna.",
    ),
    "an option of the task": Mistake(
        "task=evaluate chekpoint=run",
        "chekpoint: no such key. Did you mean 'checkpoint'?",
    ),
    "a word alone": Mistake("evaluate", "evaluate: KEY=VALUE is meant. There is task=evaluate."),
    "a word alone that is a key": Mistake("scale", "scale: KEY=VALUE is meant. There is scale=VALUE."),
    "a word alone that is a key of a group": Mistake(
        "lr", "lr: KEY=VALUE is meant. Did you mean 'optimizer.lr'?"
    ),
    "a word alone that is nothing": Mistake("qwerty", "qwerty: KEY=VALUE is meant, such as model=rcan"),
    "a flag": Mistake("--hlep", "--hlep: there is no such flag. Did you mean '--help'?"),
    "a flag of two words": Mistake(
        "--dryrun -m seed=1,2", "--dryrun: there is no such flag. Did you mean '--dry-run'?"
    ),
    "a key with dashes": Mistake(
        "--model=rcan",
        "--model=rcan: there is no such flag. A key has no dashes: KEY=VALUE, such as model=rcan",
    ),
    "a key with dashes and a space": Mistake(
        "--lr 0.1", "--lr: there is no such flag. A key has no dashes: KEY=VALUE, such as model=rcan"
    ),
    "a flag without its value": Mistake("-c", "--cfg/-c: expected one argument"),
    "a flag with another value": Mistake("-c foo", "--cfg/-c: invalid choice: 'foo' (choose from …)"),
    "a preview of no sweep": Mistake(
        f"--dry-run {TRAIN}", "--dry-run is for a sweep: -m, sweep=optuna, or run=FOLDER of one"
    ),
    "a run that is not there": Mistake(
        "run=smal",
        "run=smal: there is no run or sweep to continue\nTo begin one there, say what it is to be, as in "
        "model=rcan run=smal",
    ),
    "a run with a mistake in it": Mistake(
        "run=runn trainer.max_epochs=9",
        "run=runn: there is no run or sweep to continue. Did you mean 'run'?\nTo begin one there, say what "
        "it is to be, as in model=rcan run=runn",
    ),
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
        "benchmark=[set5: this value can not be read as it is. Is a bracket or a quote not "
        "closed? As text: \"benchmark='[set5'\"",
    ),
    "a quote": Mistake(
        '"name=\'a"',
        "name='a: this value can not be read as it is. Is a bracket or a "
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
        "loss=??? needs a value: loss=CHOICE; --help lists them",
    ),
    "no task": Mistake(
        "~task",
        "task=??? needs a value: task=CHOICE; --help lists them",
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
        "degradation.steps[0].x=1: there is '[]' in the key; KEY=VALUE is meant, such as optimizer.lr=1e-4",
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
        "seed=range(0,2: this value can not be read as it is. Is a bracket or a quote not "
        "closed? As text: \"seed='range(0,2'\"",
    ),
    "a choice of nothing": Mistake(
        f"-m {TRAIN} 'seed=choice()'",
        "seed=choice(): ValueError while evaluating 'choice()': empty choice is not legal",
    ),
}
