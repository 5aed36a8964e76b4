"""Which provider a checkpoint comes from."""

from evalflow.checkpoints import huggingface, mlflow, mlflow_addresses
from evalflow.checkpoints.base import Provider
from evalflow.checkpoints.forms import form_that_works
from evalflow.checkpoints.local import LocalFile
from evalflow.checkpoints.remote import check_url, shown
from evalflow.errors import UserError


def provider_of(uri: str, key: str) -> Provider:
    """Return the provider that `uri` belongs to.

    Raises
    ------
    UserError
        Where no provider accepts it, or where it is a URL with credentials in it.
    """
    local = LocalFile()
    if local.accepts(uri):
        return local
    check_url(uri, key)
    # MLflow first: what it accepts is told by the fragment, on any host.
    for provider in (mlflow.MLflow(), huggingface.HuggingFace()):
        if provider.accepts(uri):
            return provider
    other = form_that_works(uri)
    if other:
        raise UserError(f"{key}: unknown kind of checkpoint: {shown(uri)}; allowed: {other}")
    raise UserError(
        f"{key}: unknown kind of checkpoint: {shown(uri)}; allowed: the path of a local file, "
        f"an MLflow URL ({mlflow_addresses.ALLOWED}), or a Hugging Face URL ({huggingface.ALLOWED})"
    )
