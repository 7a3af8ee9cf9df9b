"""`comeback keys`: API keys, made, listed and revoked in all five services at once."""

import asyncio
import secrets
from typing import Annotated, Any

import typer

from deploy.local.addresses import Given
from deploy.local.names import SERVICES
from deploy.local.stack import Stack
from deploy.local.state import default_home
from shared.database import connect
from shared.http.keys import SCOPES, add_key, key_id
from tools.output import complain, out

app = typer.Typer(help="API keys: who may ask which service for what.", no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[list[str], typer.Option("--scope", "-s", help=f"May be repeated: {', '.join(SCOPES)}.")],
    shop: Annotated[
        str | None, typer.Option(help="Bind it to this shop_id: it sees and changes that shop's alone.")
    ] = None,
) -> None:
    """Make a key and print it; it is shown this once, only its seal is stored."""
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise typer.BadParameter(f"there is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key = f"cbk_live_{secrets.token_hex(6)}_{secrets.token_hex(24)}"
    stack = Stack(default_home(), given=Given.from_environment())
    secret = stack.secret
    for service in SERVICES:
        asyncio.run(add_key(_database(stack, service), secret, key, sorted(set(scope)), shop))
    out.print(key, soft_wrap=True)


@app.command("list")
def list_keys() -> None:
    """Show the keys: their public part, scopes, shop, and whether they were revoked."""
    for row in _everywhere("SELECT * FROM api_keys ORDER BY created_at, key_id")["profile"]:
        state = f"revoked {row['revoked_at']:%Y-%m-%d %H:%M:%S}" if row["revoked_at"] else "in use"
        shop = f"shop {row['shop_id']}" if row["shop_id"] else "all shops"
        scopes = row["scopes"].strip("[]").replace('"', "")
        out.print(f"{row['key_id']}  {state}, {shop}: {scopes}", soft_wrap=True, markup=False)


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key, or its public part as `list` shows it.")]) -> None:
    """Revoke a key: within seconds no service takes it any more."""
    sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1 RETURNING key_id"
    if not any(_everywhere(sql, key_id(key)).values()):
        complain(f"There is no key {key_id(key)}: `comeback keys list` shows them.")
        raise typer.Exit(1)
    out.print(f"{key_id(key)} is revoked.")


def _database(stack: Stack, service: str) -> str:
    return stack.environment()[f"COMEBACK_{service.upper()}_DATABASE_URL"]


def _everywhere(sql: str, *args: Any) -> dict[str, list[Any]]:
    stack = Stack(default_home(), given=Given.from_environment())
    return {service: asyncio.run(_fetch(_database(stack, service), sql, *args)) for service in SERVICES}


async def _fetch(url: str, sql: str, *args: Any) -> list[Any]:
    connection = await connect(url)
    try:
        return await connection.fetch(sql, *args)
    finally:
        await connection.close()
