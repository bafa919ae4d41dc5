# SPDX-License-Identifier: GPL-2.0-or-later
"""Talking to a lab's supervisor, and running commands inside its nodes."""
import json
import os
import signal
import socket
import subprocess

import namespaces
import shape as shapes


class Client:
    def __init__(self, folder=None):
        self.folder = folder or shapes.state_dir()

    def running(self):
        try:
            self.ask("status")
            return True
        except shapes.LabError:
            return False

    def ask(self, do, **fields):
        return self.ask_fds(do, **fields)[0]

    def ask_fds(self, do, **fields):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(f"{self.folder}/sock")
            except OSError:
                raise shapes.LabError("no lab is running here (`./lab up` starts one)") from None
            connection.settimeout(180)
            connection.sendall(json.dumps(dict(fields, do=do)).encode() + b"\n")
            data, descriptors = b"", []
            while not data.endswith(b"\n"):
                part, more, _flags, _address = socket.recv_fds(connection, 65536, 1)
                descriptors += more
                if not part:
                    raise shapes.LabError("the lab's supervisor went away")
                data += part
        reply = json.loads(data)
        if "error" in reply:
            raise shapes.LabError(reply["error"])
        return reply, descriptors

    def shape(self):
        with open(f"{self.folder}/shape.json") as file:
            return shapes.Shape(**json.load(file))

    def enter(self, node):
        """Move this process into NODE's namespaces (children also into its pid namespace)."""
        _reply, descriptors = self.ask_fds("enter", node=node)
        namespaces.enter(descriptors[0])
        os.close(descriptors[0])

    def execute(self, node, command):
        """Run COMMAND in NODE with our own stdin, stdout, stderr; return its exit status."""
        self.enter(node)
        child = os.fork()
        if child == 0:
            namespaces.die_with_parent()
            os.chdir("/root")
            try:
                os.execvpe(command[0], command, shapes.clean_environment())
            except OSError as error:
                os.write(2, f"lab: {command[0]}: {error.strerror}\n".encode())
                os._exit(127)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, lambda got, _frame: self.pass_on(child, got))
        while True:
            _pid, status = os.waitpid(child, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    @staticmethod
    def pass_on(child, number):
        """A signal from the terminal has reached the child already; one sent to us has not.
        Getting it twice is harmless."""
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass

    def run(self, node, *command, timeout=60, input_text=None):
        """Run COMMAND in NODE from a program; returns a CompletedProcess with text output."""
        return subprocess.run(
            ["/usr/bin/python3", "-EsB", f"{shapes.HERE}/command.py", "on", node, *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
            input=input_text if input_text is not None else "",
            env=inherited(self.folder))


def inherited(folder):
    """The environment of a lab's own programs: they find that lab."""
    return dict(os.environ, VMREPLICA_LAB_STATE=folder)
