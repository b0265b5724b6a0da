# A client that sends for ten seconds and never reads.
import socket, time

connection = socket.create_connection(('127.0.0.1', 7100), timeout=1)
sent, end = 0, time.time() + 10
while time.time() < end:
    try:
        sent += connection.send(b'x' * 65536)
    except TimeoutError:
        pass
    time.sleep(0.001)
print(f'sent {sent >> 20} MiB')
