"""What comes in from outside, validated: bodies, and the parts of an address. Every fault is told, not only the first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from docsfy_jupyter.errors import InvalidBody
from docsfy_jupyter.models import safe_text

M = TypeVar("M", bound=BaseModel)
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MAX_SEGMENT = 200  # characters
MAX_NAME = 100  # characters


def check_segment(text: str) -> str:
    """Return a text that can be one part of a variant's address.

    Raises
    ------
    ValueError
        It is empty, ``.``, ``..``, longer than 200 characters, has a control character, or half of a surrogate pair.
    """
    storable = safe_text(text) == text and not any(ord(c) < 32 or ord(c) == 127 for c in text)
    if text in {"", ".", ".."} or len(text) > MAX_SEGMENT or not storable:
        raise ValueError(
            f"{safe_text(text[:60])!r} cannot be part of an address: 1 to {MAX_SEGMENT} characters, no control character, "
            "not '.' or '..'"
        )
    return text


Segment = Annotated[
    str,
    AfterValidator(check_segment),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_SEGMENT, "pattern": r"^[^\x00-\x1f\x7f]+$"}),
]


def check_name(text: str) -> str:
    """Return a text that can be the name of a project.

    Raises
    ------
    ValueError
    """
    if len(text) > MAX_NAME or not re.fullmatch(NAME_PATTERN, text):
        raise ValueError(
            f"{safe_text(text[:60])!r} cannot be the name of a project: English letters, digits, '.', '_' and '-', a letter or "
            f"digit first, at most {MAX_NAME} characters"
        )
    return text


ProjectName = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME, "pattern": NAME_PATTERN})
]


def _short_names(schema: dict[str, Any]) -> None:
    """Name the short forms in the published schema too, and that exactly one source is needed."""
    properties = schema["properties"]
    for long, short in (("ai_provider", "provider"), ("ai_model", "model")):
        properties[short] = {**properties[long], "title": short, "description": f"Short for {long}."}
    schema["oneOf"] = [{"required": ["repo_url"]}, {"required": ["repo_path"]}]


class GenerateRequest(BaseModel):
    """The body of ``POST api/generate``; ``provider`` and ``model`` are accepted as short names."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_short_names, defer_build=True)

    repo_url: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None, description="Where to clone from; a user and password in it are used for the clone only."
    )
    repo_path: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        default=None, description="Absolute path of a repository on the server's disk."
    )
    name: ProjectName | None = Field(
        default=None, description="Project name; the last part of the URL or path when not given."
    )
    branch: Segment | None = Field(default=None, description="Branch or tag; the default branch when not given.")
    owner: Segment | None = Field(default=None, description="Owner of a new variant; the caller when not given.")
    ai_provider: Segment | None = Field(
        default=None, validation_alias=AliasChoices("ai_provider", "provider"), description="Who writes the pages."
    )
    ai_model: Segment | None = Field(
        default=None, validation_alias=AliasChoices("ai_model", "model"), description="The provider's model."
    )
    force: bool = Field(default=False, strict=True, description="Empty the page cache first.")
    credential_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)] | None = Field(
        default=None, description="Name of the server's environment variable that holds the credential of the clone."
    )
    ai_cli_timeout: Annotated[float, Field(gt=0, le=24 * 60, allow_inf_nan=False)] | None = Field(
        default=None, description="Minutes that one call of a provider may take."
    )
    max_cost_usd: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = Field(
        default=None, description="US dollars; no new page is begun once the run has cost so much. Finished pages are kept."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.repo_url is None) == (self.repo_path is None):
            raise ValueError("give exactly one of repo_url and repo_path")
        return self


MAX_BATCH = 1000


class GenerateBatch(RootModel[Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]]):
    """A list of bodies of ``POST api/generate``; each is validated by itself."""

    model_config = ConfigDict(defer_build=True)


def validated(model: type[M], data: object) -> M:
    """Validate decoded JSON, or the values of a query.

    Raises
    ------
    InvalidBody
        With every fault, its path and its reason.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidBody.of([_fault(dict(e)) for e in error.errors(include_url=False, include_context=False)]) from None


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    path = ".".join(str(part) for part in error["loc"])
    reason = str(error["msg"]).removeprefix("Value error, ")
    return {"path": safe_text(path), "reason": safe_text(reason)}
