"""oidc-provider-mock that insists on PKCE (RFC 7636) with S256.

The provider itself takes a code without a verifier. Authlib, which it is made of, knows how to check one: what is
missing is that the challenge is kept beside the code.
"""

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from oidc_provider_mock import _app
from oidc_provider_mock.__main__ import run

CHALLENGES = {}


class Insisting(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant, redirect_uri):
        super().validate_code_challenge(grant, redirect_uri)
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Missing 'code_challenge' by S256")

    def get_authorization_code_challenge(self, authorization_code):
        return CHALLENGES.pop(authorization_code.code)

    def get_authorization_code_challenge_method(self, authorization_code):
        return "S256"


class Grant(_app.AuthorizationCodeGrant):
    def __init__(self, *args):
        super().__init__(*args)
        Insisting()(self)

    def save_authorization_code(self, code, request):
        CHALLENGES[code] = request.payload.data["code_challenge"]
        super().save_authorization_code(code, request)


_app.AuthorizationCodeGrant = Grant
run()
