// The four servers in Node, shown on request. `node servers.js NAME` runs one, on the port in $PORT.
const net = require('node:net');
const { once, EventEmitter } = require('node:events');

async function pieces(socket) {
  for await (const piece of socket) {
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  socket.end();
}

async function lines(socket) {
  for await (const line of linesOf(socket)) {
    if (!socket.write(line)) await once(socket, 'drain');
  }
  socket.end();
}

async function counted(socket) {
  const queue = new Queue(1000); // put() waits while it holds 1000 lines
  const writing = (async () => {
    for (let line; (line = await queue.get()) !== null;) {
      if (!socket.write(line)) await once(socket, 'drain');
    }
    socket.end();
  })();
  for await (const line of linesOf(socket)) await queue.put(line);
  await queue.put(null);
  await writing;
}

async function spawned(socket) {
  const reply = async line => {
    if (!socket.write(line)) await once(socket, 'drain');
  };
  for await (const line of linesOf(socket)) reply(line);
  socket.end();
}

/** The lines of a stream. It buffers a line until it is complete. */
async function* linesOf(socket) {
  let buffer = Buffer.alloc(0);
  for await (const piece of socket) {
    buffer = Buffer.concat([buffer, piece]);
    for (let end; (end = buffer.indexOf('\n') + 1) > 0; buffer = buffer.subarray(end)) {
      yield Buffer.from(buffer.subarray(0, end));
    }
  }
}

/** A queue of at most `limit` items. */
class Queue {
  constructor(limit) {
    Object.assign(this, { limit, items: [], changed: new EventEmitter() });
  }
  async put(item) {
    while (this.items.length >= this.limit) await once(this.changed, 'out');
    this.items.push(item);
    this.changed.emit('in');
  }
  async get() {
    while (this.items.length === 0) await once(this.changed, 'in');
    const item = this.items.shift();
    this.changed.emit('out');
    return item;
  }
}

const serve = { pieces, lines, counted, spawned }[process.argv[2]];
const connection = socket => serve(socket).catch(() => socket.destroy());
net.createServer({ allowHalfOpen: true }, connection).listen(process.env.PORT, '127.0.0.1');
