"""``migrate``: recordings of other tools become approved snapshots; a plan first, then carried out."""

from __future__ import annotations

from .execute import How, execute
from .plan import Asked, Item, Orphan, Plan, make
from .report import Report, Row

__all__ = ["Asked", "How", "Item", "Orphan", "Plan", "Report", "Row", "execute", "make"]
