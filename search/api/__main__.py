"""Answers for a service as a separate process, which `search.service.Answering` starts."""

import logging
import signal
import socket
import sys
import threading

from search.api.app import make_server
from search.api.entrance import BURST_SECONDS, SHARE, Allowance, processors
from search.service import answering_desk


def main(listener: int, line: int) -> None:
    """Answer until the service has ended.

    Parameters
    ----------
    listener, line : int
        File descriptors: where it is asked, and the line to the service.
    """
    # Ctrl-C and an order to end are for the service, which hangs up then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", handlers=[handler])
    ended = threading.Event()
    desk = answering_desk(line, ended.set)
    share = SHARE * processors()
    allowance = Allowance(share, BURST_SECONDS, lambda: bool(desk.board.running))
    server = make_server(desk, allowance=allowance)

    def run() -> None:
        try:
            server.run(sockets=[socket.socket(fileno=listener)])
        finally:
            ended.set()

    # In a thread, where uvicorn leaves signals alone.
    thread = threading.Thread(target=run, name="server")
    thread.start()
    ended.wait()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
