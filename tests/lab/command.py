# SPDX-License-Identifier: GPL-2.0-or-later
"""The `lab` command: parses the command line and talks to the running lab."""
import argparse
import os
import signal
import sys

import client as clients
import lifecycle
import shape as shapes

USAGE = """usage: ./lab COMMAND ...

  up [--nodes N] [--standalone] [--third] [--bare] [--no-guest] [--wan-rate RATE] [--disk-size SIZE]
     [--record-rate N] [--scratch-size SIZE] [--qemu-root]
                          build, install into _stage, start both sites
  on NODE COMMAND...      run a command in a node
  status                  nodes, their state and addresses, the brokers' addresses
  guest VM COMMAND...     command the writer in a guest: status | load BYTES_PER_S
                          [COMPRESSIBLE%] | fill MIB [COMPRESSIBLE%] | rate RECORDS_PER_S |
                          discard DISK OFFSET LENGTH | zero DISK OFFSET LENGTH | sync |
                          stop | go | gap-reset
  kill NODE, boot NODE    pull a node's plug; plug it in and power it on
  cut A|B|wan|NODE [--in SECONDS] [--for SECONDS]
                          take the links down (a site's: all its nodes' and its WAN)
  stall A|B|wan|NODE ...  the same, but packets vanish silently while links stay up
  reset A|B|wan|NODE ...  packets vanish, and TCP is answered by a reset
  mute A|B                what the site sends over the WAN vanishes, not what it receives
  lose NODE ADDRESS       what the node sends to that address vanishes
  heal [A|B|wan|NODE|NODE>ADDRESS]
                          undo cuts and stalls
  rate wan RATE           e.g. 10mbit, or none
  judge VDA VDB, compare IMAGE IMAGE
                          the checker on images as this machine sees them (-h for options)
  down                    end everything, leave nothing
  demo                    the main job, told step by step
  check [PATTERN]         unit tests and lab cases (of matching names)
  soak [PATTERN]          the long cases
  bench                   measurements

Environment: VMREPLICA_LAB=name (several labs at once), VMREPLICA_LAB_DIR (default /tmp),
VMREPLICA_LAB_CACHE, VMREPLICA_LAB_STAGE.
"""


def parser_for(name):
    return argparse.ArgumentParser(prog=f"./lab {name}")


def parse_shape(arguments):
    parser = parser_for("up")
    parser.add_argument("--nodes", type=int, default=2, choices=range(1, 9), metavar="N")
    parser.add_argument("--standalone", action="store_true")
    parser.add_argument("--third", action="store_true")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--no-guest", dest="guest", action="store_false")
    parser.add_argument("--wan-rate", default="100mbit")
    parser.add_argument("--disk-size", default="512M")
    parser.add_argument("--record-rate", type=int, default=20)
    parser.add_argument("--scratch-size", default="")
    parser.add_argument("--qemu-root", action="store_true")
    return shapes.Shape(**vars(parser.parse_args(arguments)))


def command_up(arguments):
    lifecycle.up(parse_shape(arguments))
    command_status([])


def command_on(arguments):
    if len(arguments) < 2:
        fail_usage("on NODE COMMAND...")
    client = clients.Client(os.environ.get("VMREPLICA_LAB_STATE"))
    return client.execute(arguments[0], arguments[1:])


def command_status(arguments):
    parser_for("status").parse_args(arguments)
    client = clients.Client()
    status = client.ask("status")
    shape = client.shape()
    for site in shape.sites():
        for name in shape.node_names(site):
            node = status["nodes"][name]
            print(f"node {name} {node['address']} {node['state']}")
    for site in shape.clusters():
        print(f"broker {site} {shapes.broker_address(site)}")
    print(f"wan {status['wan_rate']}")
    for name, how in status["faults"].items():
        print(f"fault {how} {name}")
    print(f"state {client.folder}")


def command_guest(arguments):
    if len(arguments) < 2:
        fail_usage("guest VM COMMAND...")
    print(lifecycle.guest_ask(clients.Client(), arguments[0], " ".join(arguments[1:]),
                              600 if arguments[1] == "fill" else 10))


def command_kill(arguments):
    parser = parser_for("kill")
    parser.add_argument("node")
    clients.Client().ask("kill", node=parser.parse_args(arguments).node)


def command_boot(arguments):
    parser = parser_for("boot")
    parser.add_argument("node")
    clients.Client().ask("boot", node=parser.parse_args(arguments).node)


def break_network(how, arguments):
    parser = parser_for(how)
    parser.add_argument("what")
    parser.add_argument("--in", dest="delay", type=float, default=0)
    parser.add_argument("--for", dest="duration", type=float, default=0)
    given = parser.parse_args(arguments)
    clients.Client().ask("break", name=given.what, how=how,
                         **{"in": given.delay, "for": given.duration})


def command_cut(arguments):
    break_network("cut", arguments)


def command_mute(arguments):
    break_network("mute", arguments)


def command_stall(arguments):
    break_network("stall", arguments)


def command_reset(arguments):
    break_network("reset", arguments)


def command_lose(arguments):
    parser = parser_for("lose")
    parser.add_argument("node")
    parser.add_argument("address")
    given = parser.parse_args(arguments)
    clients.Client().ask("break", name=f"{given.node}>{given.address}", how="lose")


def command_heal(arguments):
    parser = parser_for("heal")
    parser.add_argument("what", nargs="?")
    clients.Client().ask("heal", name=parser.parse_args(arguments).what)


def command_rate(arguments):
    parser = parser_for("rate")
    parser.add_argument("what", choices=["wan"])
    parser.add_argument("rate")
    clients.Client().ask("rate", rate=parser.parse_args(arguments).rate)


def command_down(arguments):
    parser_for("down").parse_args(arguments)
    lifecycle.down()


def command_judge(arguments):
    os.execv("/usr/bin/python3", ["python3", "-EsB", f"{shapes.HERE}/checker.py", "judge",
                                  *arguments])


def command_compare(arguments):
    os.execv("/usr/bin/python3", ["python3", "-EsB", f"{shapes.HERE}/checker.py", "compare",
                                  *arguments])


def command_check(arguments):
    import runner
    return runner.main("check", arguments)


def command_soak(arguments):
    import runner
    return runner.main("soak", arguments)


def command_demo(arguments):
    import demo
    return demo.main(arguments)


def command_bench(arguments):
    parser_for("bench").parse_args(arguments)
    script = os.path.join(shapes.TOP, "tests", "bench", "run")
    if not os.path.exists(script):
        raise shapes.LabError("tests/bench/run is not there yet")
    os.execv(script, [script])


def fail_usage(line):
    sys.stderr.write(f"usage: ./lab {line}\n")
    sys.exit(2)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("", "help", "-h", "--help"):
        print(USAGE, end="")
        return 0 if name else 2
    command = globals().get(f"command_{name}")
    if command is None:
        sys.stderr.write(f"lab: unknown command {name}; ./lab help lists them\n")
        return 2
    # Being told to end is not being killed: what was started is taken down on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: sys.exit(128 + got))
    try:
        return command(sys.argv[2:]) or 0
    except shapes.LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
