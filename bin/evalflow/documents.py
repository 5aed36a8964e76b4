"""Documents that scripts hand each other as JSON: the plan, specs, results of steps."""

import json
from typing import IO, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from evalflow.errors import UserError


class Document(BaseModel):
    """A JSON mapping with known keys. It never changes; a key without a value is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self, indent: int | None = None) -> str:
        """Return the document as JSON text."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str, name: str) -> Self:
        """Return the document in `text`; `name` is the file that an error names.

        Raises
        ------
        UserError
            Where the text is not such a document.
        """
        try:
            return cls.model_validate(json.loads(text))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "its content"
            reason = f"{where}: {first['msg']}"
        except (ValueError, RecursionError):
            reason = "not JSON"
        raise UserError(f"{name}: not a {cls.__name__} of a plan ({reason}); launch again, or make a new plan")

    @classmethod
    def read(cls, file: IO[str]) -> Self:
        """Return the document in an open file, such as standard input; see `from_json`."""
        try:
            return cls.from_json(file.read(), file.name)
        except UnicodeDecodeError:
            raise UserError(f"{file.name}: not UTF-8 text; launch again, or make a new plan") from None
