# Blocking writes on four threads: bounded memory, and four slow clients occupy all of it.
import concurrent.futures, http.server, os, socketserver


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(4096 if self.path == '/events' else 1):
                self.wfile.write(b'x' * 65536)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Server(socketserver.TCPServer):
    allow_reuse_address, request_queue_size = True, 128
    workers = concurrent.futures.ThreadPoolExecutor(4)

    def process_request(self, *request):
        self.workers.submit(self.serve, *request)

    def serve(self, *request):
        try:
            self.finish_request(*request)
        except OSError:
            pass
        finally:
            self.shutdown_request(request[0])


Server(('127.0.0.1', int(os.environ.get('PORT', 7400))), Handler).serve_forever()
