# One end of a TCP connection on the kernel's sockets: sends random bytes and reads until the end, both at once, and
# prints what it sent and got as JSON.
#
#   exchange.py serve|call ADDRESS PORT BYTES ALGORITHM
import hashlib, json, os, socket, sys, threading

mode, address, port, count, algorithm = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
end = socket.socket()
end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
if mode == 'serve':
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind((address, port))
    end.listen()
    print('listening', flush=True)
    end, _ = end.accept()
else:
    end.connect((address, port))

data = os.urandom(count)
errors = []


def send():
    try:
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)
    except OSError as error:
        errors.append(str(error))


sender = threading.Thread(target=send)
sender.start()
digest, received = hashlib.sha256(), 0
try:
    while chunk := end.recv(65536):
        digest.update(chunk)
        received += len(chunk)
except OSError as error:
    errors.append(str(error))
sender.join()
print(json.dumps({
    'sentBytes': count,
    'sent': hashlib.sha256(data).hexdigest(),
    'receivedBytes': received,
    'received': digest.hexdigest(),
    'error': ' '.join(errors),
}))
