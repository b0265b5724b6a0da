// A server of a chain: `upstream` produces for ever, as fast as its client reads but at most 8 MiB/s; `data` and `pipe` pass on
// what the upstream server at a port sends, without and with backpressure. Prints its own port.
const http = require('http');
const [, , role, port] = process.argv;
const server = http.createServer((request, response) => {
  if (role === 'upstream') {
    const chunk = Buffer.alloc(80 << 10);
    const timer = setInterval(() => response.writableNeedDrain || response.write(chunk), 10);
    response.on('close', () => clearInterval(timer));
    return;
  }
  http.get({ host: '127.0.0.1', port: Number(port) }, (upstream) => {
    response.on('close', () => upstream.destroy());
    if (role === 'pipe') upstream.pipe(response);
    else upstream.on('data', (chunk) => response.write(chunk));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
