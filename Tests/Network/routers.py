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


_NO_SYN = 'iifname "outside" tcp flags & (syn | ack) == syn drop'
# These networks are a hop apart. From further away, what leaves with a small hop limit would not arrive.
_FAR = 'iifname "outside" ip ttl < 32 drop'

ROUTERS = {
    "port": Router("translates, keeps ports, drops what comes unasked: most home routers", "masquerade", _DROP),
    "rst": Router("the same, but refuses what comes unasked", "masquerade", _REFUSE),
    "greedy": Router("has no filter: its own kernel refuses what comes unasked, and takes the port", "masquerade", ""),
    "symrand": Router("a random outside port for each destination: symmetric", "masquerade fully-random", _DROP),
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


def rules(router: Router) -> str:
    """The rules of a router with the devices `outside` and `switch`, for `nft -f`."""
    leaving = f'iifname "switch" oifname "outside" {router.leaving} accept'
    unasked = f"  {router.unasked}\n" if router.unasked else ""
    text = (
        "table inet filter {\n"
        " chain forward { type filter hook forward priority 0; policy drop;\n"
        f"  {router.never}\n"
        "  ct state established,related accept\n"
        '  iifname "switch" oifname "switch" accept\n'
        f"  {leaving}\n{unasked}"
        " }\n chain input { type filter hook input priority 0; policy accept;\n"
        f"  {router.never}\n"
        f"  ct state established,related accept\n{unasked}"
        " }\n}\n"
    )
    if router.translation:
        text += (
            "table ip nat {\n chain after { type nat hook postrouting priority srcnat;\n"
            f'  oifname "outside" {router.translation}\n }}\n}}\n'
        )
    return text
