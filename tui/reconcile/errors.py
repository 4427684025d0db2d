"""The error of an account or an option that cannot be used."""


class AccountError(ValueError):
    """An account, or a description of it, cannot be used. The text names the cause and the option that helps."""
