"""Names under which Kubernetes knows the resource (contract: crd, sections 1 and 5). Constants only."""

GROUP = "asya.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "AsyncActor"
LIST_KIND = "AsyncActorList"
PLURAL = "asyncactors"
SINGULAR = "asyncactor"
SHORT_NAMES = ("asya", "asyas")

RUNTIME_CONTAINER = "asya-runtime"
SIDECAR_CONTAINER = "asya-sidecar"
HANDLER_VARIABLE = "ASYA_HANDLER"
INTERPRETER_VARIABLE = "ASYA_PYTHONEXECUTABLE"

FINALIZER = "asya.sh/finalizer"
SUSPEND_ANNOTATION = "asya.sh/suspend"
RECONCILE_ANNOTATION = "asya.sh/reconcile-at"
FLUX_RECONCILE_ANNOTATION = "reconcile.fluxcd.io/requestedAt"
DELETION_POLICY_ANNOTATION = "asya.sh/deletion-policy"
FORCE_DELETE_ANNOTATION = "asya.sh/force-delete"
SOURCE_REVISION_ANNOTATION = "asya.sh/source-revision"
