"""What the sessions of all AI providers have in common: prompts in, plans and pages out."""

from __future__ import annotations

import hashlib
from abc import abstractmethod

from docsfy_jupyter.errors import PlanInvalid, ProviderFailed
from docsfy_jupyter.models import Plan, PlanPage
from docsfy_jupyter.providers.ai import prompts
from docsfy_jupyter.providers.ai.answers import failure_of, page_of, plan_of
from docsfy_jupyter.providers.ai.incremental import updated_plan
from docsfy_jupyter.providers.ai.steering import Steering
from docsfy_jupyter.providers.base import FREE, PageAnswer, PlanAnswer, PlanRequest, ProviderSession, RunContext, Usage

_PLAN_TRIES = 2  # a plan that cannot be read is asked for once more
_SENTENCE = 300  # characters; an answer that short may be the tool's own sentence


class AskingSession(ProviderSession):
    """A session that asks a model in words.

    Parameters
    ----------
    context : RunContext
        The run.
    steering : Steering
        What the repository's maintainers ask.
    """

    def __init__(self, context: RunContext, steering: Steering) -> None:
        self._context = context
        self._steering = steering

    @abstractmethod
    async def _asked(self, prompt: str, *, structured: bool = False) -> tuple[str, Usage]:
        """Make one call; a structured one wants a plan, where the provider can hold the model to its shape."""

    async def _material(self, page: PlanPage | None) -> str:
        """Return contents of the clone for a model that sees no files: for a page, or for the plan."""
        return ""

    async def plan(self, request: PlanRequest) -> PlanAnswer:
        """Ask for a plan, once more where the answer holds none."""
        dictated = self._steering.plan(self._context.project_name)
        if dictated is not None:
            return PlanAnswer(dictated, FREE)
        prompt = prompts.plan_prompt(self._context, request, self._steering, await self._material(None))
        spent = Usage()
        for number in range(1, _PLAN_TRIES + 1):
            text, usage = await self._asked(prompt, structured=True)
            spent = spent.plus(usage)
            try:
                return PlanAnswer(self._planned(text, request), spent)
            except PlanInvalid as error:
                self._context.log("plan_unreadable", f"{error.message} It begins: {error.details.get('begins', '')}")
                error.details |= {"usage": spent, "cut_off": True}
                if 0 < len(text) < _SENTENCE and (said := failure_of(text)).fatal:
                    said.details |= {"usage": spent, "cut_off": True}
                    raise said from None
                if number < _PLAN_TRIES:
                    continue
                if request.previous is None or request.changed is None:
                    raise
                # What changed is known, and with it which pages are to be written: no reason to keep them from readers.
                self._context.log("plan_kept", "The plan of the last run stays; pages whose sources changed are written anew")
                return PlanAnswer(request.previous, spent)
        raise AssertionError("unreachable")

    def _planned(self, text: str, request: PlanRequest) -> Plan:
        if request.previous is None or request.changed is None:
            return plan_of(text)
        return updated_plan(text, request.previous, self._context.commit)

    async def write_page(self, plan: Plan, page: PlanPage) -> PageAnswer:
        """Ask for a page."""
        material = await self._material(page)
        text, usage = await self._asked(prompts.page_prompt(self._context, plan, page, self._steering, material))
        try:
            return PageAnswer(page_of(text), usage=usage)
        except ProviderFailed as error:
            error.details |= {"usage": usage, "cut_off": True}  # an answer that is no page was paid for all the same
            raise

    def prompt_hash(self, plan: Plan, page: PlanPage) -> str:
        """Hash the prompt without material, which is in the page's address already, and without the list of other pages.

        Else a page that is new or dropped would have all others written, and paid for, again.
        """
        text = prompts.page_prompt(self._context, Plan(), page, self._steering)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
