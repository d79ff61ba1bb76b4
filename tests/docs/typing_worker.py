"""Types lines one after the other in one process: ``python typing_worker.py LINES OUT [--codes]``.

LINES is a JSON list of command lines. Those of the program run here, as `python -m sr_experiments` would;
others run in a shell, with this interpreter for `python`. OUT gets a JSON list of what each printed; with
``--codes`` of pairs of that and the exit code.
"""

import contextlib
import io
import json
import logging
import shlex
import subprocess
import sys
from pathlib import Path

PROGRAM = "python -m sr_experiments"


def typed(line: str) -> tuple[str, int]:
    """What a line prints, errors too, and its exit code."""
    if not line.startswith(PROGRAM):
        python = shlex.quote(sys.executable)
        line = line.replace("python ", f"{python} ", 1) if line.startswith("python ") else line
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=300)
        return done.stdout + done.stderr, done.returncode
    from sr_experiments import cli

    printed, code = io.StringIO(), 0
    sys.argv = ["sr_experiments", *shlex.split(line.removeprefix(PROGRAM))]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        for handler in list(logging.getLogger().handlers):  # Hydra's, whose streams are gone after this
            logging.getLogger().removeHandler(handler)
    return printed.getvalue(), code


if __name__ == "__main__":
    lines = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[0] = str(Path.cwd())
    out, codes = Path(sys.argv[2]), "--codes" in sys.argv
    answers = [typed(line) for line in lines]
    out.write_text(json.dumps(answers if codes else [said for said, _ in answers]), encoding="utf-8")
