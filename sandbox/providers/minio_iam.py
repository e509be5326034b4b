"""Users, policies and service accounts of a MinIO server, with the real provider's habits."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from .bridged import Field, same_json
from .minio_server import (
    IDENTITY,
    NAME,
    POLICY,
    REPLACES,
    SWITCH,
    Stored,
    policy_failures,
    unique,
)
from .simulation import Failure, ProviderError, Request

IMPLIED_POLICY: Final = json.dumps({"Version": "2012-10-17", "Statement": []})
"""What a server answers for a service account that inherits its user's policy."""


class _User(Stored):
    fields: ClassVar = {
        "name": NAME,
        "forceDestroy": SWITCH,
        "disableUser": SWITCH,
        "updateSecret": SWITCH,
        "secret": Field(computed=True),
        "tags": Field(),
    }
    outputs = ("status",)
    secrets = ("secret",)

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        # A user of that name is taken over without a word, with a new secret.
        name = request.news["name"]
        return name, self._set(request, self.get("IamUser", name) or {"policies": []})

    def read(self, request: Request) -> dict[str, Any] | None:
        user = self.get("IamUser", request.id)
        return None if user is None else {**request.olds, "status": user["status"]}

    def update(self, request: Request) -> dict[str, Any]:
        if request.news.get("forceDestroy"):
            # The real provider's mistake: with forceDestroy, an update is a deletion.
            self.remove("IamUser", request.id)
            raise ProviderError(
                f"user {request.id} was deleted by its own update, because forceDestroy is set: "
                "refresh, then update again"
            )
        return self._set(request, self.need("IamUser", request.id, "no such user"))

    def delete(self, request: Request) -> None:
        self.need("IamUser", request.id, "no such user")
        self.remove("IamUser", request.id)

    def _set(self, request: Request, user: Mapping[str, Any]) -> dict[str, Any]:
        state = {**request.olds, **self.state(request)}
        kept = None if request.news.get("updateSecret") else user.get("secret")
        state["secret"] = request.news.get("secret") or kept or secrets.token_urlsafe(30)
        state["status"] = "disabled" if state["disableUser"] else "enabled"
        policies = user["policies"]
        known = {"secret": state["secret"], "status": state["status"], "policies": policies}
        self.put("IamUser", state["name"], known)
        return state


class _Policy(Stored):
    fields: ClassVar = {"name": NAME, "namePrefix": REPLACES, "policy": POLICY}

    def validate(self, inputs: Mapping[str, Any]) -> list[Failure]:
        return policy_failures(inputs)

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        name = request.news.get("name") or unique(request.news["namePrefix"])
        # A policy of that name is overwritten without a word.
        self.put("IamPolicy", name, {"policy": request.news["policy"]})
        return name, {**self.state(request), "name": name}

    def read(self, request: Request) -> dict[str, Any] | None:
        # A policy that is gone fails the refresh, where others are just dropped from the state.
        policy = self.need("IamPolicy", request.id, "unable to read policy")
        return {**request.olds, **policy}

    def update(self, request: Request) -> dict[str, Any]:
        self.put("IamPolicy", request.id, {"policy": request.news["policy"]})
        return {**request.olds, **self.state(request)}

    def delete(self, request: Request) -> None:
        self.need("IamPolicy", request.id, "unable to delete policy")
        for user in self._cloud.objects("minio", "IamUser"):
            if request.id in user.properties["policies"]:
                raise ProviderError(f"policy {request.id} is in use by user {user.id}")
        self.remove("IamPolicy", request.id)


class _PolicyAttachment(Stored):
    """A policy on a user: a line in the user, not an object of its own."""

    fields: ClassVar = {"policyName": IDENTITY, "userName": IDENTITY}

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        name, policy = request.news["userName"], request.news["policyName"]
        user = self.need("IamUser", name, "failed to load user infos: no such user")
        self.need("IamPolicy", policy, "unable to set user policy: no such policy")
        policies = dict.fromkeys([*user["policies"], policy])
        self.put("IamUser", name, {**user, "policies": list(policies)})
        return unique(f"{name}-"), self.state(request)

    def read(self, request: Request) -> dict[str, Any] | None:
        no_user = "failed to load user infos: no such user"
        user = self.need("IamUser", request.olds["userName"], no_user)
        return dict(request.olds) if request.olds["policyName"] in user["policies"] else None

    def delete(self, request: Request) -> None:
        name, policy = request.olds["userName"], request.olds["policyName"]
        user = self.need("IamUser", name, "failed to load user infos: no such user")
        policies = [other for other in user["policies"] if other != policy]
        self.put("IamUser", name, {**user, "policies": policies})


class _ServiceAccount(Stored):
    fields: ClassVar = {
        "targetUser": IDENTITY,
        "disableUser": SWITCH,
        "updateSecret": SWITCH,
        "policy": Field(same=same_json),
    }
    outputs = ("accessKey", "secretKey", "status")
    secrets = ("secretKey",)

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        self.need("IamUser", request.news["targetUser"], "no such user")
        key = secrets.token_hex(10).upper()
        made = {"accessKey": key, "secretKey": secrets.token_urlsafe(30)}
        return key, self._set(key, {**self.state(request), **made})

    def read(self, request: Request) -> dict[str, Any] | None:
        account = self.need("IamServiceAccount", request.id, "error reading service account")
        return {**request.olds, **account}

    def update(self, request: Request) -> dict[str, Any]:
        account = self.need("IamServiceAccount", request.id, "no such service account")
        state = {**request.olds, **account, **self.state(request)}
        return self._set(request.id, {"policy": None, **state})

    def delete(self, request: Request) -> None:
        if self.get("IamServiceAccount", request.id) is not None:
            self.remove("IamServiceAccount", request.id)

    def _set(self, key: str, state: dict[str, Any]) -> dict[str, Any]:
        # The server's answer enters the state as if it had been an input. So an account without
        # an explicit policy shows a change, policy removed, on every preview after its first up.
        state["policy"] = state.get("policy") or IMPLIED_POLICY
        state["status"] = "off" if state["disableUser"] else "on"
        names = ("policy", "status", "targetUser", "secretKey")
        self.put("IamServiceAccount", key, {name: state[name] for name in names})
        return state


IAM_KINDS: Final[dict[str, type[Stored]]] = {
    "iamUser:IamUser": _User,
    "iamPolicy:IamPolicy": _Policy,
    "iamUserPolicyAttachment:IamUserPolicyAttachment": _PolicyAttachment,
    "iamServiceAccount:IamServiceAccount": _ServiceAccount,
}
