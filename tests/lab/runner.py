# SPDX-License-Identifier: GPL-2.0-or-later
"""`./lab check` and `./lab soak`: unit tests, then the cases, grouped by the lab they need.

Each case runs in a process of its own, bounded in time.  What it printed, and after a failure
the logs of all nodes, are in _build/lab-results/<case>/.  What failed beside another case is tried
once more, alone, and named as not steady if it passes then; a few unit tests likewise.  The last line is `N passed, N failed`.
"""
import glob
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time

import guest
import lifecycle
import namespaces
import pool
import shape as shapes
import stage

CASES = f"{shapes.HERE}/cases"
RESULTS = os.path.join(shapes.TOP, "_build", "lab-results")
DEFAULT_TIMEOUT_S = 120
WORKERS = 2     # most of a case is waiting; two of them keep two CPUs busy
SECOND_TRIES = 5

# A case may take its steps from another one. Last: their names are plain words.
sys.path.append(CASES)


class Case:
    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)[:-3]
        spec = importlib.util.spec_from_file_location(f"case_{self.name}", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.shape = shapes.Shape(**self.get("SHAPE", {}))
        self.timeout = self.get("TIMEOUT", DEFAULT_TIMEOUT_S)
        self.folder = f"{RESULTS}/{self.name}"

    def get(self, name, default):
        return getattr(self.module, name, default)


def load_cases(kind, pattern):
    cases = [Case(path) for path in sorted(glob.glob(f"{CASES}/*.py"))]
    chosen = [case for case in cases if pattern in case.name
              and case.get("SOAK", False) == (kind == "soak")]
    # By shape, those that share a lab first.
    return sorted(chosen, key=lambda case: (case.get("LAB", True), case.shape.key(),
                                            case.get("FRESH", False), case.get("DIRTY", False)))


class Runner:
    def __init__(self, progress):
        self.progress, self.passed, self.failed, self.skipped = progress, [], [], []
        self.times, self.begun = {}, time.monotonic()
        self.running = None     # the key of the shape of the lab that runs
        self.unsteady = []      # passed at the second try

    def forget(self):
        self.passed, self.failed, self.skipped, self.times = [], [], [], {}

    def outcome(self):
        return {"passed": self.passed, "failed": self.failed, "skipped": self.skipped,
                "times": self.times}

    def take(self, outcome):
        """Add what came of a case in another process."""
        if outcome.get("lost"):
            self.progress(f"FAIL {outcome['failed'][0]}: its process has ended without a word")
        self.passed += outcome.get("passed", [])
        self.failed += outcome.get("failed", [])
        self.skipped += outcome.get("skipped", [])
        self.times.update(outcome.get("times", {}))

    def down(self):
        lifecycle.down()
        self.running = None

    def have_lab(self, case):
        if self.running and (self.running != case.shape.key() or case.get("FRESH", False)):
            self.down()
        if self.running:
            return
        self.progress(f"starting a lab for {case.name}")
        lifecycle.up(case.shape, self.quiet, build=False, bound=True)
        self.running = case.shape.key()

    def quiet(self, text):
        if text.startswith("failed"):
            self.progress(text)

    def run_case(self, case):
        if case.get("PRODUCT", True) and not shapes.product_staged():
            # A CI in which cases are skipped for want of the product would be green for nothing.
            (self.failed if os.environ.get("CI") else self.skipped).append(case.name)
            self.progress(f"SKIP {case.name}: the product is not built here")
            return
        shutil.rmtree(case.folder, ignore_errors=True)
        os.makedirs(case.folder)
        start = time.monotonic()
        self.progress(f"---- {case.name} (at most {case.timeout} s)")
        try:
            if case.get("LAB", True):
                self.have_lab(case)
                start = time.monotonic()
            problem = self.execute(case)
        except shapes.LabError as error:
            problem = f"no lab: {error}"
        took = self.times[case.name] = time.monotonic() - start
        if problem:
            self.failed.append(case.name)
            self.progress(f"FAIL {case.name} ({took:.0f} s): {problem}")
            self.keep(case)
        else:
            self.passed.append(case.name)
            self.progress(f"PASS {case.name} ({took:.0f} s)")
        if self.running and (problem or case.get("FRESH", False) or case.get("DIRTY", False)):
            self.down()

    def execute(self, case):
        """Run one case in a child of its own; returns what was wrong, or nothing."""
        log = f"{case.folder}/output.log"
        with open(log, "w") as output:
            child = subprocess.Popen([sys.executable, "-EsB", f"{shapes.HERE}/case_run.py",
                                      case.path], stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=output, start_new_session=True,
                                     preexec_fn=namespaces.die_with_parent)
            try:
                status = child.wait(case.timeout)
            except subprocess.TimeoutExpired:
                return f"not ended after {case.timeout} s"
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
        if status == 0:
            return ""
        with open(log, errors="replace") as output:
            lines = output.read().strip().splitlines()
        return lines[-1] if lines else f"exit status {status}"

    def keep(self, case):
        if self.running:
            lifecycle.keep_logs(shapes.state_dir(), f"{case.folder}/logs")
        self.progress(f"     its output and the nodes' logs: {case.folder}")

    def verdict(self):
        slowest = sorted(self.times.items(), key=lambda entry: -entry[1])[:5]
        print(f"took {(time.monotonic() - self.begun) / 60:.0f} min; the longest: "
              + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slowest))
        if self.failed:
            print(f"failed: {' '.join(self.failed)}")
        if self.unsteady:
            print(f"not steady, passed at the second try: {' '.join(self.unsteady)}; of the first: "
                  f"{RESULTS}/<case>.first, _build/<unit test>.log.first")
        if self.skipped:
            print(f"skipped: {' '.join(self.skipped)}")
        print(f"{len(self.passed)} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def second_try(runner, cases):
    """A few cases that failed beside another one run once more, alone: what fails again is broken,
    what passes then is not steady, and the verdict names it.  Many failures are no accident."""
    again = [case for case in cases if case.name in runner.failed]
    if len(cases) < 2 or len(again) > SECOND_TRIES or not again:
        return
    for case in again:
        shutil.rmtree(f"{case.folder}.first", ignore_errors=True)
        if os.path.isdir(case.folder):
            os.rename(case.folder, f"{case.folder}.first")
        runner.failed.remove(case.name)
    passed = len(runner.passed)
    pool.run(again, 1, lambda: Runner(runner.progress), runner.take)
    runner.unsteady += [case.name for case in again if case.name in runner.passed[passed:]]


def unit_tests(runner):
    counts = stage.unit_tests(runner.progress)
    if counts is None:
        return
    passed, failed, unsteady = counts
    runner.unsteady += unsteady
    runner.passed += ["unit"] * passed
    runner.failed += ["unit"] * failed
    runner.progress(f"unit tests: {passed} passed, {failed} failed")


def main(kind, arguments):
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.stderr.write(f"usage: ./lab {kind} [PATTERN]\n")
        return 2
    pattern = arguments[0] if arguments else ""
    # A lab of its own: one that somebody works with is not disturbed.
    os.environ["VMREPLICA_LAB"] = f"{shapes.lab_id()}-{kind}"
    progress = lifecycle.Progress()
    runner = Runner(progress)
    cases = load_cases(kind, pattern)
    with lifecycle.lock(f"{kind}"):
        try:
            stage.build(progress)
            if kind == "check" and pattern in "unit":
                unit_tests(runner)
            guest.build(progress)
            pool.run(cases, WORKERS if kind == "check" else 1, lambda: Runner(progress),
                     runner.take)
            if kind == "check":
                second_try(runner, cases)
        except shapes.LabError as error:
            runner.failed.append("build")
            progress(f"FAIL build: {error}")
        except KeyboardInterrupt:
            runner.failed.append("interrupted")
    if not cases and not runner.passed:
        print(f"no case's name contains {pattern}")
    return runner.verdict()
