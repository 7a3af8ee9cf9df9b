"""Apache Kafka in KRaft mode, one node: its settings, its first formatting, its command line."""

import subprocess
from pathlib import Path
from string import Template

from deploy.local import jars, ports
from deploy.local.errors import StackError
from deploy.local.processes import Command, Processes
from deploy.local.state import Home, State

HERE = Path(__file__).parent
MEMORY = ["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC"]
QUICK_START = ["-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def start(home: Home, state: State, processes: Processes) -> None:
    """Formats the folder when it is new, and starts the broker."""
    home.kafka.mkdir(exist_ok=True)
    data = home.kafka / "data"
    if not data.exists():
        _format(home, state, data)
    settings = _write_settings(home.kafka / "server.properties", state, data)
    processes.start(Command("kafka", [*_java(MEMORY), "kafka.Kafka", str(settings)]))


def wait(state: State, processes: Processes) -> None:
    """Until it serves: it opens its port only when the controller has let it in."""
    processes.wait_until("kafka", lambda: ports.answers(state.ports["kafka"]), limit=60)


def stopping() -> Command:
    return Command("kafka", [], stop_limit=20)


def _java(options: list[str]) -> list[str]:
    logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
    return [jars.java(), *options, *QUICK_START, "-cp", jars.class_path(), logging]


def _write_settings(path: Path, state: State, data: Path) -> Path:
    values = {"port": state.ports["kafka"], "controller_port": state.ports["kafka-controller"], "folder": data}
    path.write_text(Template((HERE / "server.properties").read_text()).safe_substitute(values))
    return path


def _format(home: Home, state: State, data: Path) -> None:
    with home.draft(home.kafka) as draft, home.log("kafka").open("ab") as log:
        settings = _write_settings(draft / "server.properties", state, draft / "data")
        argv = [*_java(["-Xmx64m", "-XX:+UseSerialGC"]), "kafka.tools.StorageTool", "format", "--standalone"]
        argv += ["-t", state.kafka_id, "-c", str(settings)]
        if subprocess.run(argv, stdout=log, stderr=log, check=False).returncode != 0:
            raise StackError(f"Kafka could not format {home.kafka}: the log is {home.log('kafka')}.")
        (draft / "data").rename(data)
