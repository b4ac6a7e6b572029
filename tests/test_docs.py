"""The documents: their code runs, their links lead somewhere, and they name what the package has."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from airflow_lupus.cli.definition import get_cli_commands
from airflow_lupus.config import OPTIONS
from airflow_lupus.detectors import DETECTORS, Threshold
from airflow_lupus.detectors.base import LADDER
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import StoreError
from airflow_lupus.metrics import CATALOGUE
from airflow_lupus.metrics.base import ANY
from airflow_lupus.model import PeriodStatus, PointStatus, Reason, Severity
from airflow_lupus.pipeline import judge
from airflow_lupus.pipeline.choosing import DEFAULTS
from airflow_lupus.specs import RESERVED
from airflow_lupus.stores.schema import Tables
from airflow_lupus.stores.sql import SqlStore
from support import stores
from support.measurements import DAY, DEFINITION, FLIGHTS, SCOPE, day, measured, task
from support.servers import MariaServer, PostgresServer, Server

REPO = Path(__file__).parent.parent
PAGES = sorted([*(REPO / "docs").rglob("*.md"), *(REPO / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))])
TOP = "airflow_lupus|benchmarks|dags|demo|docs|plugins|tests"


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(REPO)}:{self.line}"

    @property
    def is_complete(self) -> bool:
        """Whether it says all that it needs: a block without imports is a fragment."""
        return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(self.text).body)

    @property
    def is_dag(self) -> bool:
        return self.is_complete and re.search(r"\bDAG\(|@dag\b", self.text) is not None


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^( *)```([^\n`]+)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[2].strip(), textwrap.dedent(match[3])))
    return found


BLOCKS = blocks()


def only(*languages: str) -> list[pytest.ParameterSet]:
    return [pytest.param(block, id=block.name) for block in BLOCKS if block.language in languages]


def prose(page: Path) -> str:
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def section(page: str, title: str) -> str:
    """The text under a heading, up to the next one."""
    (found,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", (REPO / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str) -> dict[str, str]:
    """Table lines by the code in their first cell."""
    return {match[1]: match[0] for match in re.finditer(r"^\| `\"?([^`]+?)\"?`.*$", text, re.MULTILINE)}


# ---- code ----


@pytest.mark.parametrize("block", only("python"))
def test_python_compiles(block: Block):
    compile(block.text, block.name, "exec")


RUN = """
import json, runpy, sys, traceback
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
outcome = {}
for path in sys.argv[1:]:
    if Path(path).parent.name == "dags":
        bag = DagBag(path, safe_mode=False)
        tasks = {dag_id: sorted(dag.task_ids) for dag_id, dag in bag.dags.items()}
        outcome[path] = {"error": "".join(bag.import_errors.values()), "dags": tasks}
    else:
        try:
            runpy.run_path(path)
        except Exception:
            outcome[path] = {"error": traceback.format_exc()}
        else:
            outcome[path] = {"error": ""}
print("OUTCOME" + json.dumps(outcome))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Block, dict[str, Any]]:
    """What every complete block came to in an Airflow of its own: DAGs as its DAG processor imports them, the rest as scripts."""
    home = tmp_path_factory.mktemp("docs")
    (home / "dags").mkdir()
    complete = {}
    for i, block in enumerate(BLOCKS):
        if block.language == "python" and block.is_complete:
            path = home / ("dags" if block.is_dag else ".") / f"block_{i}.py"
            path.write_text(block.text)
            complete[path] = block
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run([sys.executable, "-c", RUN, *map(str, complete)], env=env, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("OUTCOME")]
    told = json.loads(line.removeprefix("OUTCOME"))
    return {block: told[str(path)] for path, block in complete.items()}


@pytest.mark.parametrize("block", [param for param in only("python") if param.values[0].is_complete])
def test_python_that_says_all_it_needs_runs(block: Block, outcomes: dict[Block, dict[str, Any]]):
    assert not outcomes[block]["error"], outcomes[block]["error"]
    if block.is_dag:
        dags = outcomes[block]["dags"]
        assert dags, "no DAG"
        assert all(dags.values()), "a DAG without tasks"


@pytest.mark.parametrize("block", only("json"))
def test_json_parses(block: Block):
    json.loads(block.text)


# Which databases a block's info string names, if it is not for all of them; `roles` are run by the administrator.
SQL = [
    pytest.param(*block.values, kind, id=f"{block.id}-{kind}")
    for block in only("sql")
    for kind, name in {"sqlite": "sqlite", "postgres": "postgresql", "mariadb": "mariadb"}.items()
    if block.values[0].info in {"sql", f"sql {name}"}
]


@pytest.mark.parametrize(("block", "kind"), SQL)
def test_sql_runs_on_a_store(block: Block, kind: str, tmp_path: Path):
    for store in stores.open_store(kind, tmp_path):
        with store.engine.connect() as connection:
            connection.exec_driver_sql(block.text)


@pytest.mark.parametrize(("server", "info"), [(PostgresServer, "sql postgresql roles"), (MariaServer, "sql mariadb roles")])
def test_the_rights_that_roles_are_given_are_enough_and_no_more(server: type[Server], info: str):
    (block,) = (block for block in BLOCKS if block.info == info)
    with server() as private:
        private.execute("CREATE DATABASE metrics")
        statements = block.text.replace("…", "secret").replace("%", "%%").strip().splitlines()
        private.execute(*statements, database="metrics")
        at = private.url.set(database="metrics", password="secret")
        owner, writer, reader = (SqlStore.at(at.set(username=f"lupus_{role}")) for role in ("owner", "writer", "reader"))
        with pytest.raises((StoreError, sa.exc.ProgrammingError), match=r"denied"):
            writer.upgrade()
        assert owner.upgrade()
        assert writer.save(FLIGHTS, DEFINITION, SCOPE, measured({0: {"JFK": 0.9}}), task()).added == 1
        assert judge(writer, "flights", Rules({"*": Threshold(upper=0.3)}), task(name="detect"), lambda _: (0, 1)).judged
        assert len(reader.period_records("flights", DAY, day(0).epoch, day(1).epoch)) == 1
        with reader.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT value FROM lupus_metrics").scalars().all() == [0.9]
        with pytest.raises((StoreError, sa.exc.ProgrammingError), match=r"denied"):
            reader.save(FLIGHTS, DEFINITION, SCOPE, measured({1: {"JFK": 0.9}}), task())
        for store in (owner, writer, reader):
            store.engine.dispose()


@pytest.mark.parametrize("block", only("bash"))
def test_shell_parses(block: Block):
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


# ---- links and names ----


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(linked), f"{target} has no such heading; there are {sorted(anchors(linked))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_paths_of_the_repository_exist(page: Path):
    named = re.findall(rf"`((?:(?:{TOP})/[\w./-]*)|docker-compose\.yaml|pyproject\.toml|Makefile)`", page.read_text())
    missing = [path for path in named if not (REPO / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_commands_and_extras_exist(page: Path):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", (REPO / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets
    for first, second in re.findall(r"airflow lupus ([a-z-]+)(?: ([a-z-]+))?", text):
        assert {first, f"{first} {second}"} & commands().keys(), f"airflow lupus {first} {second}"
    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"airflow-lupus\[([\w,-]+)\]", text):
        assert set(named.split(",")) <= extras.keys()


def commands() -> dict[str, Any]:
    """Every command below `airflow lupus`, by its words."""
    (group,) = get_cli_commands()
    found = {}
    for command in group.subcommands:
        for sub in getattr(command, "subcommands", ()):
            found[f"{command.name} {sub.name}"] = sub
        if not hasattr(command, "subcommands"):
            found[command.name] = command
    return found


def test_every_command_is_documented_as_it_is():
    titles = re.findall(r"^## `airflow lupus (.+)`$", (REPO / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert titles == list(commands())
    for name, command in commands().items():
        text = section("cli.md", f"`airflow lupus {name}`")
        flags = [argument.flags for argument in command.args if "--verbose" not in argument.flags and argument.flags[0].startswith("-")]
        documented = [re.findall(r"`(-[\w-]+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `-")]
        assert sorted(map(sorted, documented)) == sorted(map(sorted, flags)), name
        for argument in command.args:
            for choice in argument.kwargs.get("choices") or ():
                assert f"`{choice}`" in text, f"{name} {argument.flags[0]} {choice}"


@pytest.mark.parametrize("block", only("console", "bash"))
def test_commands_are_parsed_as_they_are_written(block: Block):
    from airflow.cli.cli_parser import get_parser

    for line in block.text.splitlines():
        words = shlex.split(line) if "airflow lupus " in line else []
        if words[:1] == ["$"]:
            words = words[1:]
        if words[:2] == ["airflow", "lupus"]:
            get_parser().parse_args(words[1:])


def test_every_decision_is_listed():
    folder = REPO / "docs" / "adr"
    numbered = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = re.findall(r"\[(\d{4})\]\((\S+)\) \| (.+) \|", (folder / "README.md").read_text())
    assert listed == [(path.name[:4], path.name, re.findall(r"^# \d{4}: (.+)$", path.read_text(), re.MULTILINE)[0]) for path in numbered]
    for path in numbered:
        assert re.findall(r"^\*\*(\w+)\.\*\*", path.read_text(), re.MULTILINE) == ["Context", "Decision", "Consequences"]


# ---- what the package has ----


def test_what_the_page_is_said_to_say_it_says():
    source = "".join(path.read_text() for path in (REPO / "plugins" / "lupus_ui" / "src").rglob("*.ts*"))
    for words in re.findall(r"“(.+?)”", (REPO / "docs" / "page.md").read_text()):
        assert words.rstrip("… ") in source


def test_every_option_is_documented_as_it_is():
    documented = rows((REPO / "docs" / "configuration.md").read_text())
    assert documented.keys() == OPTIONS.keys()
    for name, option in OPTIONS.items():
        _, _, type_, default, meaning, _ = (cell.strip() for cell in documented[name].split("|"))
        assert type_ == option.type
        assert default.strip("`") == (option.default or "empty")
        assert option.example is None or f"`{option.example}`" in meaning


@pytest.mark.parametrize("metric_class", CATALOGUE, ids=lambda metric_class: metric_class.__name__)
def test_every_metric_is_documented_as_it_is(metric_class):
    """Of columns and the table in docs/metrics.md, of another family in a file of its own."""
    parsed = metric_class.parse(metric_class.name or metric_class.examples[0])
    metric = parsed or metric_class()
    if metric.family not in {"column", "table"}:
        text = (REPO / "docs" / f"{metric.family}.md").read_text()
        assert re.search(rf"^\| .*`{re.escape(metric.name)}`.* \|", text, re.MULTILINE), metric.name
        return
    written = {"p50": "p<q>", "duplicate_ratio(id)": "duplicate_ratio(<columns>)", "length_avg": "length_<statistic>"}.get(metric.name)
    of_times = " of a time" if parsed is None and metric.accepts == {"time"} else ""
    cell = f"`{written or metric.name}`" + (" per entity" if metric.per_entity else of_times)
    found = [line for line in section("metrics.md", "Catalogue").splitlines() if re.match(rf"\| {re.escape(cell)}(,| \|)", line)]
    assert len(found) == 1, cell
    _, _, of, meaning, kind, unit, takes, *_ = (part.strip() for part in found[0].split("|"))
    assert of == metric.family
    assert kind == ("the statistic's" if written == "length_<statistic>" else metric.kind)
    assert unit == (metric.unit or "the column's")
    if metric.family == "column":
        named = set(re.findall(r"\w+", takes))
        assert (ANY if "any" in named else named & ANY) == metric.accepts
        assert metric.lists == ("lists" in named)
    assert ("only a rise is bad" in meaning) == (metric.bad_direction == "up")


def test_defaults_by_type_and_reserved_names_are_documented():
    defaults = section("metrics.md", "Defaults")
    for type_, names in DEFAULTS.items():
        assert f"| {type_} | {', '.join(f'`{name}`' for name in names)} |" in defaults
    assert set(re.findall(r"`(\w+)`", section("metrics.md", "Groups"))) >= RESERVED


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_every_detector_is_documented_as_it_is(detector):
    text = section("detectors.md", detector.__name__)
    fields = {field.name: field for field in dataclasses.fields(detector)}
    documented = rows(text)
    assert documented.keys() == fields.keys()
    for name, field in fields.items():
        default = documented[name].split("|")[2].strip()
        if field.default is not None:
            assert default == f"`{json.dumps(field.default)}`"
        else:
            assert not default.startswith("`")


def test_severities_begin_where_the_documents_say():
    text = section("detectors.md", "Window")
    for severity, begins in LADDER.items():
        assert re.search(rf"\| {severity.label} \| .* \| {3.5 * begins:g} σ \| {30 * begins:.0f} % \|", text)


def test_reasons_statuses_and_severities_are_documented():
    detectors, concepts, store = ((REPO / "docs" / name).read_text() for name in ("detectors.md", "concepts.md", "store.md"))
    assert all(f"`{reason.label}`" in detectors for reason in Reason)
    assert all(f"`{severity.label}`" in detectors for severity in Severity if severity)
    assert all(f"`{status.value}`" in concepts for status in PeriodStatus)
    assert all(f"`{status.label}`" in store for status in PointStatus)


def test_every_table_and_the_views_columns_are_documented():
    tables = rows(section("store.md", "Tables"))
    assert tables.keys() == {*Tables().metadata.tables, Tables().version_table}
    store = SqlStore.in_memory()
    with store.engine.connect() as connection:
        columns = list(connection.exec_driver_sql(f"SELECT * FROM {Tables().view}").keys())
    named = re.findall(
        r"`(\w+)`",
        " ".join(
            line.split("|")[1]
            for line in section("store.md", "For SQL and BI: the view `lupus_metrics`").splitlines()
            if line.startswith("| `")
        ),
    )
    assert named == columns
