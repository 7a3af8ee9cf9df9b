"""`comeback`: the commands, and how they end (0 fine, 1 what was checked is not so, 2 usage or environment)."""

import logging
import sys

import typer

from deploy.local.errors import StackError
from tools import bench, contracts, events, importing, keys, stack, topics
from tools.demo import demo
from tools.output import complain
from tools.retelling import retell
from tools.simulate import simulate
from tools.tracing import trace
from tools.verify import verify

app = typer.Typer(
    name="comeback",
    help="Comeback, the user-operation CRM: run it, look at it, check it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(stack.app, name="stack")
app.add_typer(events.app, name="events")
app.add_typer(keys.app, name="keys")
app.command()(contracts.contracts)
app.add_typer(topics.app, name="topics")
app.add_typer(importing.app, name="import")
app.add_typer(bench.app, name="bench")
app.command("demo")(demo)
app.command()(simulate)
app.command()(retell)
app.command()(trace)
app.command()(verify)


def run() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs each failure that it also raises
    try:
        app(prog_name="comeback")
    except StackError as error:
        complain(str(error))
        sys.exit(2)
    except OSError as error:
        complain(f"{error.filename or 'The system'}: {error.strerror or error}.")
        sys.exit(2)
    except KeyboardInterrupt:
        complain("Interrupted.")
        sys.exit(2)


if __name__ == "__main__":
    run()
