"""Plans a small bakery's night: dough, oven, schedule, shopping and prices."""

from __future__ import annotations

__version__ = "0.3.0"
