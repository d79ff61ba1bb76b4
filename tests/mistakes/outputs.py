"""What can not be written, and samples that can not be looked at."""

from tests.mistakes.desk import DEGRADE, TRAIN, Mistake, directory, file, values

OUTPUTS: dict[str, Mistake] = {
    "nothing to report": Mistake(
        "task=report",
        "task=report needs runs=FOLDER: a run's folder, a sweep's, a folder of them, or a glob",
    ),
    "no runs": Mistake(
        "task=report runs=nowhere",
        "runs=nowhere: there is no such folder; give a run's folder, a sweep's, a folder of them, "
        "or a glob in quotes",
    ),
    "a folder without runs": Mistake(
        "task=report runs=d",
        "runs=d: no run.json there or below; give a run's folder, a sweep's, a folder of them, "
        "or a glob in quotes",
        given=directory("d"),
    ),
    "no detail": Mistake(
        "task=report runs=run detail=0", "task.detail=0 and task.limit=24 must be 1 or more"
    ),
    "nothing to export": Mistake(
        "task=export ",
        "task=export needs checkpoint=RUN, or interpolate=[A,B] together with alpha=",
    ),
    "two ways": Mistake(
        "task=export checkpoint=run interpolate=run,run alpha=0.5",
        "checkpoint=run and interpolate=[run,run]: give one of the two",
    ),
    "a share of one": Mistake(
        "task=export checkpoint=run alpha=0.5",
        "alpha=0.5 is for interpolate=[A,B]; checkpoint= is one net, written as it is",
    ),
    "no share": Mistake(
        "task=export interpolate=run,run",
        "interpolate=[run,run] needs the share of the second, from 0 to 1: alpha=0.8",
    ),
    "a share beyond": Mistake(
        "task=export interpolate=run,run alpha=1.5",
        "alpha=1.5: must be from 0 (all of run) to 1 (all of run); beyond the two lie weights that "
        "no training has come near",
    ),
    "three": Mistake(
        "task=export interpolate=run,run,run alpha=.5",
        "interpolate=[run,run,run]: give two, interpolate=[A,B]: A trained for PSNR, B from there "
        "against an adversary",
    ),
    "a suffix": Mistake(
        "task=export checkpoint=run output=a.txt",
        "output=a.txt: a file ends in .safetensors, .pth, .onnx, .pt2; a folder has no ending",
    ),
    "an output that exists": Mistake(
        "task=export checkpoint=run output=a.pth",
        "output=a.pth is there already; overwrite=true replaces it",
        given=file("a.pth"),
    ),
    "an output in a file": Mistake(
        "task=export checkpoint=run output=espcn.pth/a.pth",
        "espcn.pth: File exists; something of that name is there already, a file perhaps where a "
        "folder is needed",
    ),
    "a run that exists": Mistake(
        f"{TRAIN} hydra.run.dir=r",
        "…/r already holds a run: run=FOLDER continues it, hydra.run.dir=FOLDER "
        "(of a sweep hydra.sweep.dir=) takes another folder",
        given=file("r/run.json", "{}"),
    ),
    "a run in a file": Mistake(
        f"{TRAIN} hydra.run.dir=espcn.pth/a",
        "espcn.pth/a: Not a directory; a file stands where a folder is needed",
    ),
    "a cache in a file": Mistake(
        f"{TRAIN} data.cache=disk data.cache_dir=espcn.pth",
        "decoded images can not be kept in espcn.pth (Not a directory): name another place with "
        "data.cache_dir=FOLDER, or choose data.cache=memory or none",
    ),
    "a cache of ten bytes": Mistake(
        f"{TRAIN} data.cache=disk data.cache_limit=10",
        "the decoded images take 19 kB; data/cache may hold 10 bytes and the disk has … GB left: "
        "raise data.cache_limit=BYTES, name another place with data.cache_dir=, or choose "
        "data.cache=none",
    ),
    "a cache of a word": Mistake(
        f"{TRAIN} data.cache_limit=10GB",
        "data.cache_limit='10GB': must be float | None, not str",
    ),
    "a cache of less than nothing": Mistake(
        f"{TRAIN} data.cache_limit=-10",
        "data.cache_limit=-10 is a number of bytes, 0 or more",
    ),
    "a sample before the first": Mistake(
        f"{DEGRADE} first=-1",
        "task.first=-1 and task.samples=1 must be at least 0 and 1",
    ),
    "no sample": Mistake(
        f"{DEGRADE} samples=0",
        "task.first=0 and task.samples=0 must be at least 0 and 1",
    ),
    "a sample of nothing": Mistake(
        f"{DEGRADE} sample=2",
        "task.sample=2 is one of task.values=FILE; task.first= starts elsewhere",
    ),
    "no values": Mistake(
        f"{DEGRADE} values=absent.json",
        "absent.json: No such file or directory",
    ),
    "values that are none": Mistake(
        f"{DEGRADE} values=v.json",
        "v.json is no samples.json of task=degrade: line 1, column 1 is no JSON (Expecting value)",
        given=file("v.json", "hello"),
    ),
    "values of something else": Mistake(
        f"{DEGRADE} values=v.json",
        "v.json is no samples.json of task=degrade: it has no 'seed'",
        given=file("v.json", '{"a": 1}'),
    ),
    "a value that nothing has": Mistake(
        f"{DEGRADE} values=v.json",
        "v.json: nothing of this data and degradation is called nosie",
        given=values(nosie=1),
    ),
    "a value out of its range": Mistake(
        f"{DEGRADE} values=v.json",
        "image=99 must lie in the range that is drawn from, 0 to 4",
        given=values(image=99),
    ),
    "a value that is a word": Mistake(
        f"{DEGRADE} values=v.json",
        "image='x' must be a whole number",
        given=values(image="x"),
    ),
}
