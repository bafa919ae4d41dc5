# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases side by side: each worker is a process with a lab of its own, and is given one case after
the other, those first that fit the lab that it has.  Most of a case is waiting."""
import multiprocessing
import multiprocessing.connection
import os
import signal

import namespaces
import shape as shapes

FORK = multiprocessing.get_context("fork")


class Worker:
    def __init__(self, number, name, make_runner, cases):
        self.number, self.busy = number, None
        self.link, theirs = FORK.Pipe()
        self.process = FORK.Process(target=work, args=(theirs, name, make_runner, cases))
        self.process.start()
        theirs.close()

    def give(self, index):
        self.busy = index
        self.link.send(index)


def work(link, name, make_runner, cases):
    """In the worker: cases by their numbers until None comes; answers each with what came of it and
    the shape of the lab that runs now."""
    namespaces.die_with_parent(signal.SIGINT)
    os.environ["VMREPLICA_LAB"] = name
    runner = make_runner()
    try:
        runner.down()
        link.send((None, runner.running))
        for index in iter(link.recv, None):
            runner.forget()
            runner.run_case(cases[index])
            link.send((runner.outcome(), runner.running))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        pass
    finally:
        runner.down()


def choose(cases, pending, running):
    """The next one for a worker whose lab has the shape RUNNING."""
    for index in pending:
        case = cases[index]
        if running and case.get("LAB", True) and case.shape.key() == running \
                and not case.get("FRESH", False):
            return index
    return pending[0] if pending else None


def run(cases, count, make_runner, take):
    """Run all CASES on COUNT workers; TAKE(outcome) is called for each as it ends."""
    lab, pending = shapes.lab_id(), list(range(len(cases)))
    workers = [Worker(number, f"{lab}{number}", make_runner, cases)
               for number in range(min(count, len(cases)))]
    try:
        links = {worker.link: worker for worker in workers}
        while links:
            for link in multiprocessing.connection.wait(list(links)):
                worker = links[link]
                try:
                    outcome, running = link.recv()
                except EOFError:
                    lost = cases[worker.busy].name if worker.busy is not None else "a worker"
                    take({"failed": [lost], "lost": True})
                    del links[link]
                    continue
                if outcome:
                    take(outcome)
                index = choose(cases, pending, running)
                worker.give(index)
                if index is None:
                    del links[link]
                else:
                    pending.remove(index)
    except BaseException:
        for worker in workers:
            os.kill(worker.process.pid, signal.SIGINT)
        raise
    finally:
        for worker in workers:
            worker.process.join()
