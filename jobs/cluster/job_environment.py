"""Environment of a submitted job: variables of this process, by name, and none with a secret."""

import os
from collections.abc import Sequence

from embed.errors import SpecError
from embed.redaction import has_secret

PASSED_PREFIXES = ("AWS_", "DEGLU_")
# Parts of names of variables whose values are secret, unless the name ends as that of a place or an id.
SECRET_PARTS = {"SECRET", "TOKEN", "PASSWORD", "PASSPHRASE", "KEY", "KEYS", "CREDENTIAL", "CREDENTIALS", "BEARER"}
PUBLIC_ENDS = {"FILE", "PATH", "ID", "URI", "URL"}


def job_environment(names: Sequence[str]) -> dict[str, str]:
    """The named variables with their values.  Raises SpecError for one that is unset or may not be passed to jobs.

    Ray writes the values into the log of each machine's runtime-environment agent, and shows them on its dashboard: a
    secret is refused.  A named profile of keys that the machines have (AWS_PROFILE) may be passed.
    """
    for name in names:
        if not name.startswith(PASSED_PREFIXES):
            raise SpecError(f"--env {name}: only variables named AWS_* or DEGLU_* can be passed to a job")
        if name not in os.environ:
            raise SpecError(f"--env {name}: this variable is not set here; export it first")
        if _is_secret(name, os.environ[name]):
            raise SpecError(
                f"--env {name}: its value is a secret, and Ray would write it into the cluster's logs; give the keys to"
                " the cluster's machines: as a Kubernetes secret, as the machine's role, in the environment of"
                " `ray start`, or as a profile in ~/.aws/credentials, chosen by --env AWS_PROFILE"
            )
    return {name: os.environ[name] for name in names}


def _is_secret(name: str, value: str) -> bool:
    parts = name.upper().split("_")
    return (not SECRET_PARTS.isdisjoint(parts) and parts[-1] not in PUBLIC_ENDS) or has_secret(value)
