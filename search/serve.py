"""The service for many people: ``python -m search.serve``."""

import argparse
import errno
import getpass
import ipaddress
import logging
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.arguments import add_json, folder_here, span
from search.command import Parser, command, program, signals_caught
from search.errors import ConfigError
from search.extras import needed
from search.output import visible

if TYPE_CHECKING:
    from types import FrameType

    from cluster.executor import Executor
    from search.ledger import Ledger
    from search.service import Limits, Service

_EXAMPLES = """\
examples:
  %(prog)s token add ann --role admin    prints a token, this once
  %(prog)s                               serves http://127.0.0.1:8741
  %(prog)s --data /srv/data --workers 8  files there may be named
"""
_ROOT = Path("service")
_PORT = 8741
_FREE_SECONDS = 2.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), lambda args: args.act(args), argv)


def _serve(args: argparse.Namespace) -> None:
    with needed("serve", "The service"):
        from search.service import Answering, Service

    # What a sweep logs is in its own sweep.log; here stands what has gone wrong.
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", handlers=[handler])
    _check_tokens(args)
    # In the background of a shell, Ctrl-C is ignored as it starts; here it is an order to end.
    ends = signals_caught((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), _interrupt_once())
    with ends, _listening(args.host, args.port) as listener:
        service = Service(args.root, _executor_of(args), _limits(args))
        try:
            service.start()
            _say(_greeting(args, listener, service))
            Answering(service, listener, [sys.executable, "-m", "search.api"]).run()
        except KeyboardInterrupt:  # how a service ends
            pass
        finally:
            _say("The service ends; at its next start every sweep continues where it is.")
            service.stop()


def _interrupt_once() -> "Callable[[int, FrameType | None], None]":
    """Return what takes orders to end.

    The first is one. What it began is not ended by a second, which the shell and the system may
    both send; a third one ends the process, as where a cluster that is dead never answers. A
    hang-up is ignored from then on, until the process is gone.
    """
    taken = False

    def take(number: int, frame: "FrameType | None") -> None:
        nonlocal taken
        if not taken:
            taken = True
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.default_int_handler(number, frame)
        if number != signal.SIGHUP:  # which a shell sends beside what somebody has typed
            for another in (signal.SIGINT, signal.SIGTERM):
                signal.signal(another, signal.SIG_DFL)

    return take


def _check_tokens(args: argparse.Namespace) -> None:
    """Refuse to be reached from elsewhere before anybody has a token."""
    if _is_loopback(args.host):
        return
    with_tokens = args.root / "ledger.sqlite"
    if not (
        with_tokens.exists() and _with_ledger(args.root, lambda ledger: ledger.people.tokens())
    ):
        raise ConfigError(
            f"--host {args.host} lets others in, and nobody has a token yet. Give one with "
            f"{program('serve')} token add {_user()} --role admin, then start again."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol: asyncio sends small answers at once only where the socket names it, and
        # else each waits 40 ms for the one before to be acknowledged.
        with ExitStack() as closing:  # an address that is not to be had leaves no socket open
            listener = closing.enter_context(socket.socket(found[0], found[1], found[2]))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(listener, found[4])
            listener.listen(128)
            closing.pop_all()
    except OSError as error:
        raise ConfigError(
            f"The service cannot listen at {host}, port {port}: {error.strerror or error}. Give "
            "another --port or --host."
        ) from error
    return listener


def _bind(listener: socket.socket, address: Any) -> None:
    """Take an address, which what answered for a killed service may hold for a moment longer."""
    until = time.monotonic() + _FREE_SECONDS
    while True:
        try:
            listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _executor_of(args: argparse.Namespace) -> "Callable[[], Executor]":
    if args.executor == "serial":
        from cluster.executor import SerialExecutor

        return SerialExecutor

    with needed("ray", "--executor ray", ", or train in this process with --executor serial"):
        from cluster.ray_executor import RayExecutor  # takes half a second
    from cluster.signals import handlers_kept

    def connected() -> "Executor":
        with handlers_kept(signal.SIGINT, signal.SIGTERM):
            return RayExecutor(args.address, args.workers)

    return connected


def _limits(args: argparse.Namespace) -> "Limits":
    from search.service import Limits

    return Limits(
        open_sweeps=args.open, trials=args.trials, upload_bytes=args.upload,
        folders=tuple(args.data), trainers=tuple(args.trainer), hooks=tuple(args.hook),
        keep_seconds=args.keep,
    )  # fmt: skip


def _greeting(args: argparse.Namespace, listener: socket.socket, service: "Service") -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    # As the service has it: the process works elsewhere while a cluster starts.
    lines = [f"packsweep serves http://{shown}:{port}; its folder is {service.root}"]
    left = len(service.ledger.sweeps.live())
    if left:
        lines.append(f"{left} {'sweep goes' if left == 1 else 'sweeps go'} on.")
    if not service.ledger.people.tokens():
        lines.append(
            f"Nobody has a token yet: {program('serve')} token add "
            f"{_user()} --role admin --root {args.root}"
        )
    return "\n".join(lines)


def _with_ledger(root: Path, what: "Callable[[Ledger], Any]") -> Any:
    """Do something with the ledger, whether or not the service is running."""
    from search.ledger import Ledger

    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = Ledger(root / "ledger.sqlite")
    try:
        return what(ledger)
    finally:
        ledger.close()


def _user() -> str:
    """Return who gives this command; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "nobody"


def _recorded(ledger: "Ledger", verb: str, target: str) -> None:
    """Write down what somebody has done who needs no token for it."""
    from search.ledger import ADMIN, Caller

    ledger.events.record(Caller(f"{_user()} on the service's machine", ADMIN, 0), verb, target)


def _add_token(args: argparse.Namespace) -> None:
    until = None if args.expires is None else time.time() + args.expires

    def add(ledger: "Ledger") -> str:
        with ledger.transaction():
            token = ledger.people.add_token(args.name, args.role, until)
            number = ledger.people.tokens()[-1].id
            _recorded(ledger, f"add token {args.role}", f"{number} {args.name}")
        return token

    token: str = _with_ledger(args.root, add)
    sys.stderr.write("The token, which is shown this once:\n")
    sys.stdout.write(f"{token}\n")


def _list_tokens(args: argparse.Namespace) -> None:
    from search.text import table_lines

    now = time.time()
    tokens = _with_ledger(args.root, lambda ledger: ledger.people.tokens())
    rows = [
        (str(t.id), t.person, t.role, "valid" if t.is_valid(now) else _why_not(t)) for t in tokens
    ]
    keys = ("token", "person", "role", "state")
    if args.json:
        from search.schemas import Token, Tokens, as_json

        found = [Token.model_validate(dict(zip(keys, row, strict=True))) for row in rows]
        sys.stdout.write(f"{as_json(Tokens(tokens=found))}\n")
        return
    lines = table_lines(keys, rows)
    sys.stdout.write("\n".join([*lines, ""]) if rows else "There is no token.\n")


def _why_not(token: Any) -> str:
    return "revoked" if token.revoked_at is not None else "expired"


def _revoke_token(args: argparse.Namespace) -> None:
    def revoke(ledger: "Ledger") -> None:
        with ledger.transaction():
            ledger.people.revoke(args.number)
            _recorded(ledger, "revoke token", str(args.number))

    _with_ledger(args.root, revoke)
    sys.stdout.write(f"Token {args.number} is revoked.\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{visible(text)}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("serve"),
        description="Take sweeps from many people and run them on one cluster, link by link. "
        "Submitted sweeps outlive the service; results are ordinary run folders.",
        epilog=_EXAMPLES,
    )
    _add_root(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (127.0.0.1: only this machine)"
    )
    parser.add_argument("--port", type=_port, default=_PORT, metavar="N", help=f"({_PORT})")
    parser.add_argument("--executor", choices=["ray", "serial"], default="ray", help="(ray)")
    parser.add_argument("--address", metavar="ADDR", help="of a Ray cluster to join (starts one)")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="tasks at a time (all cores)"
    )
    parser.add_argument(
        "--data", type=folder_here, action="append", default=[], metavar="DIR",
        help="folder whose data sets may be named by their path; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--trainer", action="append", default=[], metavar="NAME",
        help="additional trainer that may be named; its code runs with the "
        "rights of the service",
    )  # fmt: skip
    parser.add_argument(
        "--hook", action="append", default=[], metavar="HOST",
        help="host, or host:port, to which events may be sent; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--open", type=_positive, default=8, metavar="N",
        help="sweeps that are worked on at a time, each with its data in memory (8)",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=_positive, default=10**6, metavar="N",
        help="most trials of one sweep (1000000)",
    )  # fmt: skip
    parser.add_argument(
        "--upload", type=_positive, default=2**30, metavar="BYTES",
        help="largest size of an uploaded data set (1 GiB)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=span, metavar="SPAN",
        help="delete a sweep with its files this long after its end, such as 90d (never)",
    )  # fmt: skip
    parser.set_defaults(act=_serve)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    _add_token_commands(commands)
    _add_hook_commands(commands)
    return parser


def _add_hook_commands(commands: Any) -> None:
    """Add the commands for hooks, which ask a service as its other users do."""
    hook = commands.add_parser("hook", help="send the events of your sweeps to addresses")
    acts = hook.add_subparsers(metavar="ACT", required=True, parser_class=Parser)
    add = acts.add_parser("add", help="add one; prints its secret, this once")
    add.add_argument("address", metavar="ADDRESS", help="such as https://host/path")
    add.add_argument(
        "--kind", action="append", default=[], metavar="KIND",
        help="event that it gets; may be given several times (done, failed, cancelled)",
    )  # fmt: skip
    helps = {
        "list": "list them", "test": "send something now, and say how that went",
        "remove": "remove it", "deliveries": "list what was sent to it",
    }  # fmt: skip
    others = {name: acts.add_parser(name, help=text) for name, text in helps.items()}
    for name, act in others.items():
        if name != "list":
            act.add_argument(
                "number", type=_positive, metavar="HOOK", help="its number in the list"
            )
    for name, act in {"add": add, **others}.items():
        act.add_argument("--server", metavar="URL", required=True, help="the service")
        act.set_defaults(act=_hook, hook_act=name)


def _hook(args: argparse.Namespace) -> None:
    from search import client

    if args.hook_act == "add":
        client.add_hook(args.server, args.address, args.kind)
    elif args.hook_act == "list":
        client.hooks(args.server)
    else:
        acts = {
            "test": client.test_hook, "remove": client.remove_hook,
            "deliveries": client.deliveries,
        }  # fmt: skip
        acts[args.hook_act](args.server, args.number)


def _add_token_commands(commands: Any) -> None:
    token = commands.add_parser("token", help="give, list and revoke tokens")
    acts = token.add_subparsers(metavar="ACT", required=True, parser_class=Parser)
    add = acts.add_parser("add", help="give a token to somebody")
    add.add_argument("name", type=_name, metavar="NAME", help="the person it is for")
    add.add_argument(
        "--role", choices=["viewer", "submitter", "admin"], required=True,
        help="a viewer may look; a submitter may also submit, and change their own sweeps; an "
        "admin may also change everybody's",
    )  # fmt: skip
    add.add_argument("--expires", type=span, metavar="SPAN", help="such as 12h, 30d or 8w (never)")
    add.set_defaults(act=_add_token)
    listed = acts.add_parser("list", help="list all tokens")
    add_json(listed)
    listed.set_defaults(act=_list_tokens)
    revoke = acts.add_parser("revoke", help="let a token open nothing")
    revoke.add_argument("number", type=_positive, metavar="TOKEN", help="its number in the list")
    revoke.set_defaults(act=_revoke_token)
    for act in (add, listed, revoke):
        # Not given here, it is what stands before the word token.
        _add_root(act, default=argparse.SUPPRESS)


def _add_root(parser: argparse.ArgumentParser, default: Any = _ROOT) -> None:
    parser.add_argument(
        "--root", type=_root, default=default, metavar="DIR",
        help="folder of the service: ledger, runs, uploaded data (service)",
    )  # fmt: skip


def _root(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a folder's name cannot be empty")
    return Path(text).expanduser()


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: use up to 100 of A-Z, a-z, 0-9, '.', '_' and '-', beginning "
            "with a letter or digit"
        )
    return text


def _port(text: str) -> int:
    return _number(text, 0, 65535)


def _positive(text: str) -> int:
    return _number(text, 1, 2**62)


def _number(text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")


if __name__ == "__main__":
    sys.exit(main())
