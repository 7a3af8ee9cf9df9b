"""`comeback keys`: API keys, made, listed and revoked in all five services at once."""

import asyncio
import secrets
from typing import Annotated, Any

import typer

from deploy.local.names import SERVICES
from shared.http.keys import SCOPES, add_key, key_id
from tools.asking import ask, database_of, the_stack
from tools.output import complain, out

app = typer.Typer(help="API keys: who may ask which service for what.", no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[list[str], typer.Option("--scope", "-s", help=f"May be repeated: {', '.join(SCOPES)}.")],
    shop: Annotated[
        str | None, typer.Option(help="Bind it to this shop_id: it sees and changes that shop's alone.")
    ] = None,
) -> None:
    """Make a key and print it; it is shown this once, only its seal is stored.

    With `events:write` alone it is a browser's: whoever reads it there sends visits and identifies, but no orders."""
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise typer.BadParameter(f"there is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key = f"cbk_live_{secrets.token_hex(6)}_{secrets.token_hex(24)}"
    stack = the_stack()
    secret = stack.secret
    for service in SERVICES:
        asyncio.run(add_key(database_of(stack, service), secret, key, sorted(set(scope)), shop))
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


def _everywhere(sql: str, *args: Any) -> dict[str, list[Any]]:
    return {service: ask(service, sql, *args) for service in SERVICES}
