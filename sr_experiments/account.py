"""Whether somebody is logged in at Weights & Biases; asked only where that is needed."""


def refuse_without_login(what: str, *, instead: str) -> None:
    """Answer at once: wandb itself would ask at a terminal, or wait for a server.

    Args:
        what: Needs a login.
        instead: What there is to do without one.

    Raises:
        ValueError: If there is no key, or one that can be none.
    """
    from wandb.errors import AuthenticationError
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    host = wandb_setup.singleton().settings.base_url
    try:
        found = wbauth.authenticate_session(host=host, source=what, prompt=False, update_session=False)
    except AuthenticationError as error:
        raise ValueError(f"{what}: {error}") from error
    if found is None:
        raise ValueError(
            f"{what} needs a login at {host}, and there is none: `wandb login`, or the environment variable "
            f"WANDB_API_KEY. Without an account: {instead}"
        )
