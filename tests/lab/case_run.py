# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs one case's file against the running lab; the runner gives it a process of its own."""
import os
import sys
import time
import traceback

import case as cases
import runner


def main():
    chosen = runner.Case(sys.argv[1])
    lab = None
    try:
        if chosen.get("LAB", True):
            lab = cases.Lab()
        start = time.monotonic()
        chosen.module.run(lab)
        cases.say(f"the case itself took {time.monotonic() - start:.1f} s")
        if lab and not chosen.get("DIRTY", False) and not chosen.get("FRESH", False):
            lab.check_complete()
    except Exception as error:
        traceback.print_exc()
        print(described(error).replace(os.linesep, " "), flush=True)
        return 1
    return 0


def described(error):
    """With what went wrong before it: a clean-up that fails as well must not hide its cause."""
    text = f"{type(error).__name__}: {error}"
    if error.__context__ is None or error.__suppress_context__:
        return text
    return f"{text} (after {described(error.__context__)})"


sys.exit(main())
