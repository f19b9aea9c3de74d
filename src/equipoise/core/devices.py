"""Names of devices, as PyTorch writes them."""


def device_type(device: str) -> str:
    """Return the type of a device: numbers of two devices of a type agree.

    Examples
    --------
    >>> device_type("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]
