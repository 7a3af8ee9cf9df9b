"""`comeback trace`: what happened to one customer, across all services, in order of time."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated, Any

import typer
from asyncpg import UndefinedTableError

from deploy.local.errors import StackError
from deploy.local.names import SERVICES
from shared.database import connect
from shared.ids import Ids
from tools.asking import database_of, the_stack
from tools.output import complain, out
from tools.tracing.entries import written
from tools.tracing.people import Unknown, find
from tools.tracing.stories import Story


def trace(
    whose: Annotated[
        str,
        typer.Argument(
            help="Any id of theirs: customer_id, the storefront's own id, order, decision, coupon or its code, "
            "redemption; or a campaign, with the customer behind it."
        ),
    ],
    customer: Annotated[
        str | None, typer.Argument(help="Behind a campaign: whose part in it. Other campaigns are left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Print what happened to a customer, in order of time: instant, service, what, why.

    Exit code 1 if nobody is known by that id, or several are. Money is in minor units."""
    try:
        story = asyncio.run(_tell(whose, customer))
    except Unknown as unknown:
        complain(str(unknown))
        raise typer.Exit(1) from unknown
    if as_json:
        typer.echo(json.dumps(asdict(story), indent=2, default=written))
    else:
        _print(story)


async def _tell(whose: str, customer: str | None) -> Story:
    stack = the_stack()
    async with AsyncExitStack() as closing:
        databases: dict[str, Any] = {}
        for service in SERVICES:
            databases[service] = await connect(database_of(stack, service))
            closing.push_async_callback(databases[service].close)
        try:
            found = await find(databases, Ids(stack.secret), whose, customer)
            return await Story.of(databases, found.customer_id, found.campaign_id)
        except UndefinedTableError as error:
            raise StackError("Some services have no tables yet: `comeback stack up` makes them.") from error


def _print(story: Story) -> None:
    out.print(f"{story.customer_id}  {story.known_as}", style="bold", markup=False, soft_wrap=True)
    for entry in story.entries:
        why = f"  ({entry.why})" if entry.why else ""
        line = f"{written(entry.at)}  {entry.service:<12}  {entry.what}{why}"
        out.print(line, markup=False, soft_wrap=True, emoji=False)
    out.print(story.counted, style="dim", markup=False, soft_wrap=True)
