"""The routers and firewalls behind which sites are: what nftables makes of them."""

from __future__ import annotations

from typing import NamedTuple

_DROP = 'iifname "outside" ct state new drop'
_REFUSE = 'iifname "outside" meta l4proto tcp ct state new reject with tcp reset'


class Router(NamedTuple):
    """A kind of router. It lets connections out, and in only those that `unasked` admits."""

    about: str
    translation: str  # of the source of what leaves; empty if machines behind it have addresses of the internet
    unasked: str  # a rule for what comes from outside and answers nothing; empty to leave it to the router's kernel
    leaving: str = ""  # a condition on what may leave
    never: str = ""  # a rule for what comes from outside, whatever was sent before
    admitted: str = ""  # a condition on what comes from outside for the outside port of the machine behind the router
    carrier: str = ""  # the kind of another router, outside of this one
    neighbor: bool = False  # whether another machine behind it has the same port in use


_NO_SYN = 'iifname "outside" tcp flags & (syn | ack) == syn drop'
# These networks are a hop apart. From further away, what leaves with a small hop limit would not arrive.
_FAR = 'iifname "outside" ip ttl < 32 drop'
# The port of a node behind a router that does not keep ports, and what the router makes of it for everyone.
NODE_PORT = 20_000
OUTSIDE_PORT = 31_000
# A map, because the numbers themselves would be taken with their bytes reversed.
_IN_SEQUENCE = f"numgen inc mod 4000 map {{ {', '.join(f'{number} : {30_000 + number}' for number in range(4_000))} }}"
_ONE_PORT = f"meta l4proto {{ tcp, udp }} th sport {NODE_PORT} snat ip to OUTSIDE:{OUTSIDE_PORT}"

ROUTERS = {
    "port": Router("translates, keeps ports, drops what comes unasked: most home routers", "masquerade", _DROP),
    "rst": Router("the same, but refuses what comes unasked", "masquerade", _REFUSE),
    "greedy": Router(
        "has no filter: its own kernel refuses what comes unasked, and takes the port", "masquerade", "", never=_FAR
    ),
    "symrand": Router("a random outside port for each destination: symmetric", "masquerade fully-random", _DROP),
    "cone": Router(
        "one outside port whoever is asked, at which anybody may answer: full cone",
        _ONE_PORT,
        _DROP,
        admitted="ct state new",
    ),
    "addr": Router(
        "one outside port whoever is asked, at which those may answer who were asked, from any port",
        _ONE_PORT,
        _DROP,
        admitted="ct state new ip saddr @asked",
    ),
    "collide": Router("as port, but a neighbor has the node's port in use", "masquerade", _DROP, neighbor=True),
    "carrier": Router("one outside port whoever is asked, at which only those may answer", _ONE_PORT, _DROP),
    "cgnat": Router("a home router behind a carrier's", "masquerade", _DROP, carrier="carrier"),
    "symseq": Router(
        "the next outside port for each destination: symmetric, but guessable",
        f"meta l4proto {{ tcp, udp }} snat ip to OUTSIDE : {_IN_SEQUENCE}",
        _DROP,
    ),
    "fw": Router("a firewall before an address of the internet", "", _DROP),
    "nosim": Router(
        "opens no TCP connection from both sides: drops every SYN from outside",
        "masquerade",
        _DROP,
        never=_NO_SYN,
    ),
    "keeper": Router(
        "the same, but its own kernel refuses datagrams that come unasked, and keeps their port",
        "masquerade",
        "",
        never=f"{_NO_SYN}\n  {_FAR}",
    ),
    "tcponly": Router("lets only TCP out", "masquerade", _DROP, "meta l4proto tcp"),
    "campus": Router("lets only TCP to port 443 out", "masquerade", _DROP, "tcp dport 443"),
}


def rules(router: Router, outside: str, machine: str) -> str:
    """The rules of a router with the devices `outside` and `switch`, for `nft -f`.

    Its own address is ``outside``, and ``machine`` is the one behind it that some kinds let others reach.
    """
    leaving = f'iifname "switch" oifname "outside" {router.leaving} accept'
    unasked = f"  {router.unasked}\n" if router.unasked else ""
    admitted = f'  iifname "outside" oifname "switch" {router.admitted} accept\n' if router.admitted else ""
    text = (
        "table inet filter {\n"
        " set asked { type ipv4_addr; flags timeout; timeout 2m; }\n"
        " chain forward { type filter hook forward priority 0; policy drop;\n"
        f"  {router.never}\n"
        '  iifname "switch" oifname "outside" update @asked { ip daddr }\n'
        "  ct state established,related accept\n"
        '  iifname "switch" oifname "switch" accept\n'
        f"  {leaving}\n{admitted}{unasked}"
        " }\n chain input { type filter hook input priority 0; policy accept;\n"
        f"  {router.never}\n"
        f"  ct state established,related accept\n{unasked}"
        " }\n}\n"
    )
    if router.translation:
        translation = router.translation.replace("OUTSIDE", outside)
        text += "table ip nat {\n chain after { type nat hook postrouting priority srcnat;\n"
        text += f'  oifname "outside" {translation}\n'
        text += '  oifname "outside" masquerade\n }\n'
        if router.admitted:
            text += (
                " chain before { type nat hook prerouting priority dstnat;\n"
                f'  iifname "outside" meta l4proto {{ tcp, udp }} th dport {OUTSIDE_PORT}'
                f" dnat ip to {machine}:{NODE_PORT}\n }}\n"
            )
        text += "}\n"
    return text
