# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The socket by which a worker calls its server, on this machine or another."""

from __future__ import annotations

import zmq

from limbeck_protocol.limits import MAX_MESSAGE_FRAME_BYTES
from limbeck_server.executors.local import WorkerOrders

AFAR = {
    zmq.HEARTBEAT_IVL: 5000,
    zmq.HEARTBEAT_TIMEOUT: 15000,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 2000,
}
"""For a server elsewhere, which may be restarted, or cut off without a word."""


def dial(context: zmq.Context[zmq.Socket[bytes]], orders: WorkerOrders) -> zmq.Socket[bytes]:
    """Return a socket that is connected, or will be.

    Raises:
        zmq.ZMQError: if the address or a key is none.
    """
    socket = context.socket(zmq.DEALER)
    options = {zmq.LINGER: 0, zmq.MAXMSGSIZE: MAX_MESSAGE_FRAME_BYTES} | (AFAR if orders.seat else {})
    for option, value in options.items():
        socket.setsockopt(option, value)
    if orders.server_key:
        socket.curve_serverkey = orders.server_key.encode()
        socket.curve_publickey = orders.public.encode()
        socket.curve_secretkey = orders.secret.encode()
    socket.connect(orders.address)
    return socket
