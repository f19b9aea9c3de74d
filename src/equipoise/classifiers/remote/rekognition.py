"""Transport of images to Amazon Rekognition's DetectFaces, by boto3.

Keys and region come from boto3's own settings. Requests, answers and errors are those of the API
reference of Amazon Rekognition, "DetectFaces".
"""

from __future__ import annotations

import json
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.plugins import install, load_library
from equipoise.runtimes.http.service import RekognitionRequest
from equipoise.runtimes.http.transport import TransportFailure

# Error codes of the API reference that mean "too many requests", and "no access".
_BUSY = ("ThrottlingException", "ProvisionedThroughputExceededException", "Throttling")
_DENIED = (
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
)


class RekognitionTransport:
    """Requests all attributes from DetectFaces.

    Parameters
    ----------
    client : object
        A boto3 client of the service "rekognition".
    """

    keys = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION."

    def __init__(self, client: Any) -> None:
        from botocore import exceptions

        self._client, self._exceptions = client, exceptions

    def ask(self, picture: bytes) -> str | TransportFailure:
        """Send one image, and return the answer as JSON text."""
        try:
            answer = self._client.detect_faces(Image={"Bytes": picture}, Attributes=["ALL"])
        except self._exceptions.ClientError as error:
            return _failure(error.response)
        except (
            self._exceptions.NoCredentialsError,
            self._exceptions.PartialCredentialsError,
        ) as error:
            return TransportFailure("denied", type(error).__name__)
        except (
            self._exceptions.ReadTimeoutError,
            self._exceptions.ConnectTimeoutError,
        ) as error:
            return TransportFailure("time_out", type(error).__name__)
        except self._exceptions.BotoCoreError as error:
            return TransportFailure("connection", type(error).__name__)
        answer.pop("ResponseMetadata", None)
        return json.dumps(answer)


def open_client(request: RekognitionRequest, time_out: float, concurrency: int) -> Any:
    """Return a boto3 client that repeats no request by itself.

    Raises
    ------
    InputError
        When boto3 is not installed, or no region is set.
    """
    what, remedy = "classifier 'rekognition'", f"{install('rekognition')}."
    boto3 = load_library(what, "boto3", remedy)
    config = load_library(what, "botocore.config", remedy).Config(
        connect_timeout=time_out,
        read_timeout=time_out,
        max_pool_connections=concurrency,
        retries={"total_max_attempts": 1},
    )
    try:
        return boto3.client("rekognition", region_name=request.region or None, config=config)
    except load_library(what, "botocore.exceptions", remedy).BotoCoreError as error:
        raise InputError(
            what,
            "must have a region and settings that boto3 accepts",
            type(error).__name__,
            "Set AWS_DEFAULT_REGION, or `region` in the description.",
        ) from None


def _failure(response: Any) -> TransportFailure:
    """Return the failure of an error response, by its code and status."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    if code in _BUSY or status == 429:
        return TransportFailure("rate_limit", code)
    if code in _DENIED or status in (401, 403):
        return TransportFailure("denied", code)
    return TransportFailure("server" if status >= 500 else "refused", code)
