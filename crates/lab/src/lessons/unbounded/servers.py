"""The four servers in Python, shown on request. `python3 servers.py NAME` runs one, on the port in $PORT."""
import asyncio
import os
import sys


async def pieces(reader, writer):
    while piece := await reader.read(16 * 1024):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def lines(reader, writer):
    while line := await reader.readline():  # asyncio's own limit of a line is 64 KiB
        writer.write(line)
        await writer.drain()
    writer.close()


async def counted(reader, writer):
    queue = asyncio.Queue(1000)

    async def write():
        while line := await queue.get():
            writer.write(line)
            await writer.drain()
        writer.close()

    writing = asyncio.create_task(write())
    while line := await reader.readline():
        await queue.put(line)
    await queue.put(None)
    await writing


async def spawned(reader, writer):
    async def reply(line):
        writer.write(line)
        await writer.drain()

    while line := await reader.readline():
        asyncio.create_task(reply(line))


async def main():
    server = await asyncio.start_server(globals()[sys.argv[1]], "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


asyncio.run(main())
