"""Any program as a provider: prompt on stdin, plan JSON or Markdown on stdout.

The program gets ``DOCSFY_PURPOSE`` (``plan`` or ``page``), ``DOCSFY_MODEL`` and ``DOCSFY_SLUG`` in its environment and the
clone as its working directory. It is started by the administrator's word only (trait ``DocsfyApp.command_providers``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pydantic import ValidationError

from docsfy_jupyter.errors import ChildError, PlanInvalid, ProviderFailed
from docsfy_jupyter.generation.process import ChildResult, child_environment
from docsfy_jupyter.models import Plan, PlanPage, clean_text
from docsfy_jupyter.providers.base import PageAnswer, PlanAnswer, PlanRequest, Provider, ProviderSession, RunContext
from docsfy_jupyter.providers.programs import find_program

_PLAN_PROMPT = """Plan the documentation of the repository in the working directory.
Project: {name}
Answer with JSON only: {{"project_name": "", "tagline": "", "navigation": [{{"group": "", "pages": [{{"slug": "", "title": "",
"description": "", "sources": ["paths that the page is about"]}}]}}]}}

Tracked files:
{files}
"""
_PAGE_PROMPT = """Write one documentation page of the project {name} in Markdown, from the repository in the working directory.
Title: {title}
About: {description}
Sources: {sources}
Link to other pages as slug.md. The pages: {slugs}
"""


class CommandSession(ProviderSession):
    """One run's calls of the program, each a child process of its own."""

    def __init__(self, argv: Sequence[str], context: RunContext, env_passthrough: Sequence[str] = ()) -> None:
        self._argv = argv
        self._context = context
        self._passthrough = env_passthrough

    async def plan(self, request: PlanRequest) -> PlanAnswer:
        """Run the program with purpose ``plan`` and read its JSON."""
        files = "\n".join(clean_text(file.path) for file in self._context.files)
        result = await self._call("plan", "", _PLAN_PROMPT.format(name=self._context.project_name, files=files))
        text = result.stdout.decode("utf-8", "replace")
        try:
            return PlanAnswer(Plan.model_validate(json.loads(text)))
        except (json.JSONDecodeError, ValidationError, RecursionError) as error:
            self._context.log("plan_unreadable", f"The program's plan could not be read; it begins: {text[:200]}")
            raise PlanInvalid(f"The program printed no valid plan JSON: {str(error).splitlines()[0]}") from None

    async def write_page(self, plan: Plan, page: PlanPage) -> PageAnswer:
        """Run the program with purpose ``page``; what it prints is the page."""
        result = await self._call("page", page.slug, self._page_prompt(plan, page))
        text = result.stdout.decode("utf-8", "replace")
        if not text.strip():
            raise ProviderFailed("the program printed nothing", transient=True)
        return PageAnswer(text)

    def prompt_hash(self, plan: Plan, page: PlanPage) -> str:
        """Hash the program's argv and the page's prompt, but for the list of other pages, which come and go."""
        alone = Plan(project_name=plan.project_name)
        return hashlib.sha256(json.dumps([*self._argv, self._page_prompt(alone, page)]).encode()).hexdigest()

    def _page_prompt(self, plan: Plan, page: PlanPage) -> str:
        return _PAGE_PROMPT.format(
            name=plan.project_name,
            title=page.title,
            description=page.description,
            sources=", ".join(map(clean_text, page.sources)),
            slugs=", ".join(p.slug for p in plan.pages()),
        )

    async def _call(self, purpose: str, slug: str, prompt: str) -> ChildResult:
        extra = {"DOCSFY_PURPOSE": purpose, "DOCSFY_MODEL": self._context.model, "DOCSFY_SLUG": slug}
        try:
            result = await self._context.processes.run(
                self._argv,
                stdin=prompt.encode("utf-8", "replace"),
                cwd=self._context.checkout,
                env=child_environment(extra, self._passthrough),
                timeout=self._context.call_timeout,
            )
        except ChildError as error:
            raise ProviderFailed(error.message) from error
        if result.returncode != 0:
            tail = " ".join(result.stderr.split())[-300:]
            raise ProviderFailed(f"exit code {result.returncode}{': ' + tail if tail else ''}", transient=True)
        return result


class CommandProvider(Provider):
    """A program of the administrator's as a provider.

    Parameters
    ----------
    name : str
        How requests name it.
    argv : sequence of str
        The program and its arguments; no shell is involved.
    """

    default_model = "default"

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self._argv = tuple(argv)

    def check(self, model: str) -> None:
        """Look the program up; start nothing."""
        find_program(self._argv[:1], child_environment()["PATH"])

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncIterator[ProviderSession]:
        """Open a session; nothing is held between calls."""
        yield CommandSession(self._argv, context, self.options.env_passthrough)
