#!/usr/bin/env python3
"""Prints docs/command-reference.md, which consists of what the program `kachery` says about itself."""

from __future__ import annotations

import re
import subprocess
import sys

HEAD = """\
# Command reference

What `kachery COMMAND --help` prints, for every command.
`make reference` writes this page from the program; a test compares them.
[commands.md](commands.md) explains how the commands behave,
and [first-minutes.md](first-minutes.md) is the place to begin.
"""


def printed(program: str, *arguments: str) -> str:
    """What the program prints with these arguments."""
    run = subprocess.run([program, *arguments], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return run.stdout


def groups(overview: str) -> list[tuple[str, list[str]]]:
    """The groups of the overview, and the commands of each."""
    found: list[tuple[str, list[str]]] = []
    for line in overview.splitlines():
        head = re.fullmatch(r"([A-Z].*):", line)
        command = re.match(r"  ([a-z][a-z-]*(?: [a-z-]+)?)  ", line)
        if head is not None:
            found.append((head[1], []))
        elif command is not None:
            found[-1][1].append(command[1])
    return found


def section(program: str, command: str) -> tuple[str, str]:
    """The section of a command, and what its help says about exit codes."""
    text, _, codes = printed(program, *command.split(), "--help").partition("\nExit codes:\n")
    return f"### kachery {command}\n\n```text\n{text.strip()}\n```\n", codes


def other_names(manual: str) -> list[tuple[str, str]]:
    """The published names of the commands, from the manual page."""
    part = manual.partition(".SH OTHER NAMES\n")[2].partition("\n.SH ")[0].replace("\\-", "-")
    return re.findall(r"\.TP\n\.B (\S+)\n(.*)", part)


def main() -> int:
    """Prints the page. The argument is the path of the program."""
    if len(sys.argv) != 2:
        print("Usage: Deploy/command-reference.py PROGRAM", file=sys.stderr)
        return 2
    program = sys.argv[1]
    codes: list[str] = []
    print(HEAD)
    for title, commands in groups(printed(program, "--help")):
        print(f"## {title}\n")
        for command in commands:
            text, its_codes = section(program, command)
            codes.append(its_codes)
            print(text)
    if len(set(codes)) != 1:
        print("Deploy/command-reference.py: the commands differ in their exit codes.", file=sys.stderr)
        return 1
    rows = [line.split(maxsplit=1) for line in codes[0].strip().splitlines()]
    print("## Exit codes\n\n| code | meaning |\n|---|---|")
    print("".join(f"| {code} | {meaning} |\n" for code, meaning in rows))
    print("## Other names\n\nEach of these is a link to the same program.\n\n| name | stands for |\n|---|---|")
    print(
        "".join(f"| `{name}` | `{command.strip()}` |\n" for name, command in other_names(printed(program, "manual"))),
        end="",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
