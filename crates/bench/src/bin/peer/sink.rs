//! A sink: reads everything and replies nothing, as iperf3's server does, with its reads of 128 KiB.

use std::io::Read;
use std::net::TcpListener;
use std::thread;

use anyhow::Result;

pub(crate) fn serve(listener: TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::Builder::new().spawn(move || {
            let mut buffer = vec![0; 128 * 1024];
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
        })?;
    }
    Ok(())
}
