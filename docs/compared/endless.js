// An endless response without backpressure at /events, and a short one elsewhere.
const server = require('http').createServer((request, response) => {
  if (request.url !== '/events') return response.end('ok\n')
  const timer = setInterval(() => response.write(Buffer.alloc(65536, 'x')), 2)
  response.on('error', () => {}).on('close', () => clearInterval(timer))
})
server.listen(process.env.PORT || 7300, '127.0.0.1')
