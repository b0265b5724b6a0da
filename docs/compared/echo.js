// An echo server without backpressure: it ignores what write() returns.
const server = require('net').createServer(socket => {
  socket.on('error', () => {})
  socket.on('data', bytes => socket.write(bytes))
})
server.listen(process.env.PORT || 7100, '127.0.0.1')
