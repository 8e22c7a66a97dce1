"""What alembic runs: on the connection it is given, as it is never called from a shell of its own."""

from typing import Any, Literal

from alembic import context

from widget_server.store.tables import Instant, Table


def _render(kind: str, item: Any, _autogen: object) -> str | Literal[False]:
    """Revisions stand for themselves: they must not change when our types do."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Instant) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    render_item=_render,
)
context.run_migrations()
