"""The names of Services for pods, where no cluster DNS can be pulled: `rabbitmq.asya-system.svc` and the like.

Started by tests/support/kube/real.py at the bridge's address, which kubelet gives to pods, and KEDA asks it too. No kube-proxy runs, so the
answer is what a headless Service would give: the addresses of ready pods, not the Service's own. Ports must be the pods' then.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.support.kube.api import Api, Refused

DOMAIN = "cluster.local"
TTL_S = 0


class Names:
    """A server on port 53 of an address, over UDP. `close` it."""

    def __init__(self, api: Api, address: str) -> None:
        self._api = api
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            asked, peer = self._socket.recvfrom(4096)
            if self._over:
                return
            # What is no question gets no answer, nor does one that the API server cannot answer now: it is asked again.
            with contextlib.suppress(dns.exception.DNSException, http.client.HTTPException, OSError, Refused):
                self._socket.sendto(self._answer(dns.message.from_wire(asked)).to_wire(), peer)

    def _answer(self, asked: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.AA | dns.flags.RA
        (question,) = asked.question
        found = self._addresses(question.name.to_text(omit_final_dot=True).lower())
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found and question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text_list(question.name, TTL_S, dns.rdataclass.IN, "A", found))
        return answer

    def _addresses(self, name: str) -> list[str] | None:
        """Of the ready pods behind a Service; None when it is the name of none."""
        match name.removesuffix(f".{DOMAIN}").split("."):
            case [service, namespace, "svc"] if name.endswith(DOMAIN) and self._api.find(
                "services", namespace, service
            ):
                slices = self._api.items(
                    "endpointslices", namespace, labelSelector=f"kubernetes.io/service-name={service}"
                )
                ends = [end for one in slices for end in one["endpoints"] or ()]
                return [end["addresses"][0] for end in ends if end.get("conditions", {}).get("ready", True)]
        return None

    def close(self) -> None:
        """End it: the thread waits for a datagram, so it gets one."""
        self._over = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()


def resolver(address: str, namespace: str) -> str:
    """The /etc/resolv.conf that a pod of the namespace has."""
    return f"nameserver {address}\nsearch {namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}\noptions ndots:5\n"
