"""`asya doctor`: what is wrong with a cluster and how to mend it (contract: cli)."""

from dataclasses import asdict

from asya_cli.context import ContextOption, NamespaceOption
from asya_cli.errors import ProblemsFound
from asya_cli.output import Output, OutputOption, emit


def command(
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Check a cluster: versions, CRD, KEDA, controller, configuration, brokers, gateway, permissions. Exit 1 when something is wrong."""
    from asya_cli.cluster.checks import examine
    from asya_cli.cluster.connection import asked, reach

    cluster = reach(context, namespace)
    with asked(cluster):
        findings = list(examine(cluster))
    lines = [
        f"{finding.state:<8} {finding.subject}: {finding.found}"
        + (f"\n         mend: {finding.mend}" if finding.mend else "")
        for finding in findings
    ]
    emit([asdict(finding) for finding in findings], output, lambda: "\n".join(lines))
    if any(finding.state == "wrong" for finding in findings):
        raise ProblemsFound
