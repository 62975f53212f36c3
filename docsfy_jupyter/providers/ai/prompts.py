"""The prompts: readable templates beside this file, filled with what a run knows."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from importlib.resources import files as package_files
from string import Template

from docsfy_jupyter.models import Plan, PlanPage, TrackedFile, clean_text
from docsfy_jupyter.providers.ai.steering import Steering
from docsfy_jupyter.providers.base import PlanRequest, RunContext

MAX_LISTED = 4000  # paths; a prompt with all 80,000 of a large repository would fit no model


def plan_prompt(context: RunContext, request: PlanRequest, steering: Steering | None = None, material: str = "") -> str:
    """Return the prompt that asks for a plan, or for an earlier plan brought up to date.

    Parameters
    ----------
    context : RunContext
        The run.
    request : PlanRequest
        With the plan before and what changed, where these are known.
    steering : Steering, optional
        What the repository's maintainers ask.
    material : str
        Contents of files, for models that cannot read them by themselves.
    """
    wanted = steering or Steering()
    values = {
        "name": context.project_name,
        "files": _listing(wanted.shown(context.files)),
        "instructions": _instructions(wanted),
        "material": material,
    }
    if request.previous is None or request.changed is None:
        return _template("plan").substitute(values)
    plan = _shown_plan(request.previous)
    changed = "\n".join(f"- {clean_text(path)}" for path in sorted(request.changed)[:MAX_LISTED])
    more = {"plan": plan, "changed": changed or "- none"}
    return _template("incremental_plan").substitute(values | more)


def page_prompt(context: RunContext, plan: Plan, page: PlanPage, steering: Steering | None = None, material: str = "") -> str:
    """Return the prompt that asks for one page.

    Parameters
    ----------
    context : RunContext
        The run.
    plan : Plan
        Settled.
    page : PlanPage
        Which one.
    steering : Steering, optional
        What the repository's maintainers ask.
    material : str
        Contents of files, for models that cannot read them by themselves.
    """
    others = "\n".join(f"- [{other.title}]({other.slug}.md)" for other in plan.pages() if other.slug != page.slug)
    return _template("page").substitute(
        name=context.project_name,
        title=page.title,
        description=page.description or page.title,
        sources=", ".join(clean_text(path) for path in page.sources) or "find them by yourself",
        pages=others or "- none",
        material=material,
        instructions=_instructions(steering or Steering()),
    )


def _shown_plan(plan: Plan) -> str:
    """Write a plan as the model is to answer it, without what is ours."""
    data = plan.model_dump()
    for group in data["navigation"]:
        group["pages"] = [{name: page[name] for name in ("slug", "title", "description", "sources")} for page in group["pages"]]
    return json.dumps(data, ensure_ascii=False, indent=1)


@functools.cache
def _template(name: str) -> Template:
    return Template((package_files(__package__) / "templates" / f"{name}.md").read_text("utf-8"))


def _instructions(steering: Steering) -> str:
    text = steering.instructions.strip()
    return f"The maintainers of the project ask:\n\n{text}\n" if text else ""


def _listing(files: Iterable[TrackedFile]) -> str:
    paths = [clean_text(file.path) for file in files if file.regular]
    left = len(paths) - MAX_LISTED
    return "\n".join(f"- {path}" for path in paths[:MAX_LISTED]) + (f"\n- … and {left} more" if left > 0 else "")
