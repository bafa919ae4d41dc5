# SPDX-License-Identifier: GPL-2.0-or-later
"""Building the checkout and installing it into _stage, from where the nodes mount it."""
import os
import re
import shutil
import subprocess

import shape as shapes

BUILD = os.path.join(shapes.TOP, "_build")


def run(command, log, cwd):
    with open(log, "a") as file:
        file.write(f"+ {' '.join(command)}\n")
        file.flush()
        status = subprocess.call(command, cwd=cwd, stdout=file, stderr=file,
                                 stdin=subprocess.DEVNULL)
    if status != 0:
        with open(log) as file:
            tail = "".join(file.readlines()[-25:])
        raise shapes.LabError(f"`{' '.join(command)}` failed:\n{tail}(all of it: {log})")


def build(progress):
    """Configure once, make, install.  Without a configure.ac there is nothing to build yet."""
    if os.environ.get("VMREPLICA_LAB_STAGE"):
        progress(f"using the build in {shapes.STAGE}")
        return
    if not os.path.exists(f"{shapes.TOP}/configure.ac"):
        progress("no configure.ac here: the lab comes up without the product")
        return
    os.makedirs(BUILD, exist_ok=True)
    log = f"{BUILD}/lab-build.log"
    open(log, "w").close()
    if not os.path.exists(f"{shapes.TOP}/configure"):
        progress("autogen.sh")
        run(["./autogen.sh"], log, shapes.TOP)
    if not is_configured():
        progress("configure")
        run([f"{shapes.TOP}/configure", "--prefix=/usr", "--sysconfdir=/etc",
             "--localstatedir=/var", "--libexecdir=/usr/libexec",
             # A warning fails CI, but not a user's build with a newer compiler.
             *(["--enable-fatal-warnings"] if os.environ.get("CI") else [])], log, BUILD)
    progress(f"make (its output: {log})")
    run(["make", f"-j{os.cpu_count() or 1}"], log, BUILD)
    run(["make", "install", f"DESTDIR={shapes.STAGE}"], log, BUILD)
    progress("built and installed into _stage")


def is_configured():
    """There is a Makefile, and in CI one of a build in which warnings are fatal."""
    if not os.path.exists(f"{BUILD}/Makefile"):
        return False
    with open(f"{BUILD}/config.log", errors="replace") as file:
        return "--enable-fatal-warnings" in file.read(4096) or not os.environ.get("CI")


UNIT_SECOND_TRIES = 3


def unit_tests(progress):
    """`make check`: (how many passed, how many failed, the unsteady ones: a few that failed run
    once more, alone); None without a build."""
    if os.environ.get("VMREPLICA_LAB_STAGE") or not os.path.exists(f"{BUILD}/Makefile"):
        return None
    log = f"{BUILD}/lab-unit.log"
    progress(f"make check (its output: {log})")
    # one more than there are CPUs: most of them wait most of the time
    counts, names, status = make_check(log, [f"-j{(os.cpu_count() or 1) + 1}", "-k"])
    failed = counts["FAIL"] + counts["XPASS"] + counts["ERROR"]
    for name in names:
        progress(f"FAIL {name}: {last_words(name)}")
    unsteady = []
    if 0 < failed == len(names) <= UNIT_SECOND_TRIES:
        for name in names:
            again, _, wrong = make_check(f"{log}.second", [f"TESTS={name}"])
            if not wrong and again["PASS"] == 1:
                unsteady.append(name)
        failed -= len(unsteady)
        status = status if failed else 0
    if counts["SKIP"]:
        progress(f"{counts['SKIP']} unit tests were skipped: see {log}")
        failed += counts["SKIP"] if os.environ.get("CI") else 0
    return counts["PASS"] + len(unsteady), failed or (1 if status else 0), unsteady


def make_check(log, arguments):
    """Its summary's counts, the names of what failed, and its exit status."""
    with open(log, "w") as file:
        status = subprocess.call(["make", "check", *arguments], cwd=BUILD, stdout=file,
                                 stderr=file, stdin=subprocess.DEVNULL)
    counts, names = {"PASS": 0, "FAIL": 0, "XPASS": 0, "ERROR": 0, "SKIP": 0}, []
    with open(log, errors="replace") as file:
        for line in file:
            word = line[2:].split(":")
            if line.startswith("# ") and word[0] in counts and word[1].strip().isdigit():
                counts[word[0]] += int(word[1])
            elif line.startswith("FAIL: "):
                names.append(line.split()[1])
    return counts, names, status


def last_words(name):
    """What a test that failed said; its log is written anew when it runs again, so that is kept."""
    log = f"{BUILD}/{name}.log"
    try:
        with open(log, errors="replace") as file:
            lines = [line.strip() for line in file]
        shutil.copy(log, f"{log}.first")
    except OSError as error:
        return str(error)
    wrong = [line for line in lines if re.match(r"[0-9]+\. .*:[0-9]+ ", line)]    # CUnit's
    return " | ".join((wrong or [line for line in lines if line])[-3:])[:500]
