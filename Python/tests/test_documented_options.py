"""What the documents show exists: targets, scripts, commands, options, and names in Python."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys

import kachery_client as kc
import kachery_p2p as kp
from documented import DOCUMENTS, ROOT, Call, calls, examples_of_the_help, inline, python_blocks, shown
from kachery_p2p import aio, jobs
from people import PATIENCE
from real_daemon import program
from typist import NOT_TYPED, TYPED

# What the text names that only looks like a call.
NO_CALLS = {"kachery feed writer"}


def test_every_command_is_typed_or_listed() -> None:
    assert [document for document in DOCUMENTS if shown(document) and document not in TYPED] == []
    for document, reasons in NOT_TYPED.items():
        commands = {entry.command for entry in shown(document)}
        assert set(reasons) <= commands, f"{document} no longer shows these"


def test_targets_and_scripts_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for entry in shown(document):
            for target in re.findall(r"\bmake ((?:[a-z-]+ ?)+)(?![=\w])", entry.command):
                for name in target.split():
                    assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"{document}: {entry.command}"
    script = (ROOT / "Deploy" / "bootstrap-node" / "setup.sh").read_text()
    (line,) = (command for command in NOT_TYPED["docs/operations.md"] if command.startswith("./setup.sh"))
    assert [option for option in re.findall(r"--[a-z0-9-]+", line) if option not in script] == []


def test_python_compiles_and_its_names_exist() -> None:
    modules = {"kp": kp, "kc": kc, "jobs": jobs, "aio": aio}
    blocks = [(document, block) for document in DOCUMENTS for block in python_blocks(document)]
    assert len(blocks) > 8
    for document, block in blocks:
        tree = compile(block, document, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                assert hasattr(modules[node.value.id], node.attr), f"{document}: {ast.unparse(node)}"


@functools.lru_cache(maxsize=None)
def help_of(*words: str) -> str:
    """What a program prints about a command, by any of our names; empty if there is no such command."""
    run = subprocess.run(
        [words[0], *words[1:], "--help"],
        executable=program("kachery"), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return run.stdout if run.returncode == 0 else ""


def problem(call: Call) -> str | None:
    """What is wrong with a call of one of our programs; ``None`` if nothing is."""
    name, *rest = call.words
    words = ("kachery-p2p-start-daemon",) if name == "kacheryd" else (name, *rest[:2])
    while len(words) > 1 and not help_of(*words):
        words = words[:-1]
    text = help_of(*words)
    group = re.search(r"^Usage: (.*) COMMAND", text, re.MULTILINE)
    if not text or (group is not None and len(call.words) > len(group[1].split())):
        return f"there is no command {' '.join(call.words)}"
    unknown = [option for option in call.options if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)]
    return f"{' '.join(call.words)} has no option {', '.join(unknown)}" if unknown else None


def test_options_exist() -> None:
    assert problem(Call(("kachery", "lod"), ())) is not None
    assert problem(Call(("kachery", "feed", "rad"), ())) is not None
    assert problem(Call(("kachery", "load", "x"), ("--des",))) == "kachery load x has no option --des"
    problems = []
    checked = 0
    for document in DOCUMENTS:
        commands = [entry.command for entry in shown(document)]
        for command in [*commands, *(text for text in inline(document) if text not in NO_CALLS)]:
            for call in calls(command):
                checked += 1
                wrong = problem(call)
                if wrong is not None:
                    problems.append(f"{document}: {command}: {wrong}")
    for page in (*DOCUMENTS, "Deploy/transfer-node/README.md"):
        for settings in re.findall(r"^ *KACHERY_OPTIONS=(.*)$", (ROOT / page).read_text(), re.MULTILINE):
            wrong = problem(Call(("kacheryd",), tuple(re.findall(r"--[a-z-]+", settings))))
            if wrong is not None:
                problems.append(f"{page}: {settings}: {wrong}")
    for command in examples_of_the_help():
        for call in calls(command):
            checked += 1
            wrong = problem(call)
            if wrong is not None:
                problems.append(f"an example of the help: {command}: {wrong}")
    assert problems == [], "\n".join(problems)
    assert checked > 220


def test_the_reference_is_what_the_program_prints() -> None:
    script = str(ROOT / "Deploy" / "command-reference.py")
    run = subprocess.run(
        [sys.executable, script, str(program("kachery"))],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert run.stdout == (ROOT / "docs" / "command-reference.md").read_text(), "run `make reference`"


def messages_of_the_sources() -> str:
    """The texts of the sources on one line, with what is split over several lines joined."""
    files = [*(ROOT / "Sources").rglob("*.swift"), *(ROOT / "Python" / "src").rglob("*.py")]
    text = " ".join(" ".join(file.read_text().split()) for file in sorted(files))
    return re.sub(r'" \+ "', "", text)


def pieces(words: list[str], text: str) -> list[int] | None:
    """The lengths of pieces into which words can be cut so that each is in the text, the longest first."""
    if not words:
        return []
    for count in range(len(words), 0, -1):
        if " ".join(words[:count]) in text:
            rest = pieces(words[count:], text)
            if rest is not None:
                return [count, *rest]
    return None


def test_the_quoted_messages_are_real() -> None:
    text = messages_of_the_sources()
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    quotes = re.findall(r"^> (.*)$", page, re.MULTILINE)
    assert len(quotes) > 30
    for quote in [*quotes, "The moon … is full of cheese."]:
        parts = [part.strip(" ,;:") for part in quote.split("…")]
        cuts = [pieces(part.split(), text) for part in parts if len(part) > 2]
        is_real = all(cut is not None and len(cut) <= 3 for cut in cuts)
        assert is_real == (quote in quotes), f"{quote}: {cuts}"


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            place, _, anchor = target.partition("#")
            file = page.parent / place if place else page
            if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == [], "\n".join(broken)
