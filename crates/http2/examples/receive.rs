//! How fast the client takes 1 GiB of DATA, in frames of 16 KiB, from reads of 64 KiB, and copying as much in memory takes:
//! `cargo run --release -p echoctl-http2 --example receive`.

use std::hint::black_box;
use std::time::Instant;

use echoctl_http2::{Client, Config, EndStream, Event, Request, Violation};

fn main() -> Result<(), Violation> {
    let largest = i32::MAX as u32;
    let mut client = Client::new(Config { initial_window: largest, connection_window: largest });
    let request = Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
    client.open(&request, EndStream::Yes);
    // SETTINGS, and a response with status 200.
    client.receive(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88], &mut |_| {})?;
    let frame = [&[0, 0x40, 0, 0, 0, 0, 0, 0, 1][..], &[b'x'; 16_384]].concat();
    let stream = frame.repeat(64);
    let mut received = 0;
    let start = Instant::now();
    while received < GIB {
        for bytes in stream.chunks(64 * 1024) {
            client.receive(bytes, &mut |event| {
                if let Event::Data { data, .. } = event {
                    received += black_box(data).len();
                }
            })?;
        }
    }
    print("receive", received, start);
    let mut copy = vec![0; stream.len()];
    let start = Instant::now();
    for _ in 0..received / stream.len() {
        copy.copy_from_slice(black_box(&stream));
        black_box(&mut copy);
    }
    print("copy", received, start);
    Ok(())
}

fn print(what: &str, bytes: usize, start: Instant) {
    println!("{what}: {:.1} GiB/s", bytes as f64 / GIB as f64 / start.elapsed().as_secs_f64());
}

const GIB: usize = 1 << 30;
