//! Promise: the counters of a connection over a Unix-domain socket are exact, in both directions, whatever the server does with it.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use echoctl_observe::{Counters, KernelBuffering, OwnSocket, ServerClose, SocketTables, UnixConnection};
use echoctl_testkit::{Running, eventually};

/// An own connection, with the bytes that were written to it and read from it.
struct Client {
    socket: UnixStream,
    counts: (u64, u64),
    connection: UnixConnection,
    tables: SocketTables,
}

impl Client {
    fn new(socket: UnixStream) -> Client {
        let connection = UnixConnection::new(&socket);
        Client { socket, counts: (0, 0), connection, tables: SocketTables::of([]) }
    }

    fn write(&mut self, count: usize) {
        self.socket.write_all(&vec![b'x'; count]).unwrap();
        self.counts.0 += count as u64;
    }

    fn read(&mut self, count: usize) {
        self.socket.read_exact(&mut vec![0; count]).unwrap();
        self.counts.1 += count as u64;
    }

    fn refresh(&mut self) -> &UnixConnection {
        let counts = self.counts;
        let own = OwnSocket { socket: &self.socket, counts: &|| counts };
        self.connection.refresh(own, Some(&mut self.tables));
        &self.connection
    }
}

/// Counters of which nothing is in flight.
fn counters(produced: u64, server_read: u64, server_written: u64, consumed: u64) -> Counters {
    Counters {
        produced,
        server_received: Some(produced),
        server_read: Some(server_read),
        server_written: Some(server_written),
        client_received: Some(server_written),
        consumed,
        skew: 0,
    }
}

/// Reads as many bytes as the first line on its standard input says, then writes as many as the second says, and so on.
const SERVER: &str = "use Socket; socket(my $l, PF_UNIX, SOCK_STREAM, 0); bind($l, sockaddr_un($ARGV[0])) or die; \
    listen($l, 9) or die; accept(my $c, $l) or die; $| = 1; print qq(accepted\\n); \
    while (my $n = <STDIN>) { while ($n > 0) { $n -= sysread($c, my $b, $n) } print qq(read\\n); \
    my $m = <STDIN>; while ($m > 0) { $m -= syswrite($c, 'y' x $m) } print qq(wrote\\n) }";

#[test]
fn the_counters_of_another_process_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut perl = Command::new("perl");
    perl.args(["-e", SERVER, path.to_str().unwrap()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = Running::start(&mut perl);
    let mut client = Client::new(eventually("it listens", || UnixStream::connect(&path)));
    let mut told = server.0.stdin.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.0.stdout.take().unwrap()));
    let mut expect = |line: &str| assert_eq!(lines.next().unwrap().unwrap(), line);
    expect("accepted");

    let (mut written, mut read_by_server, mut written_by_server, mut read) = (0, 0, 0, 0);
    for (sends, reads, writes, takes) in
        [(1000, 0, 0, 0), (50_000, 300, 1, 1), (0, 50_700, 70_000, 0), (7, 7, 0, 69_999), (0, 0, 0, 1)]
    {
        client.write(sends);
        writeln!(told, "{reads}").unwrap();
        expect("read");
        writeln!(told, "{writes}").unwrap();
        expect("wrote");
        client.read(takes);
        written += sends as u64;
        read_by_server += reads;
        written_by_server += writes;
        read += takes as u64;

        let expected = counters(written, read_by_server, written_by_server, read);
        assert_eq!(client.refresh().counters, expected, "after {sends} {reads} {writes} {takes}");
        assert_eq!(client.connection.closed_by_server(), None);
    }
}

#[test]
fn a_connection_that_is_not_accepted_has_read_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let mut client = Client::new(UnixStream::connect(folder.path().join("socket")).unwrap());
    client.write(5000);

    let connection = client.refresh();
    assert_eq!(connection.counters, counters(5000, 0, 0, 0));
    assert_eq!((connection.is_server_writable(), connection.closed_by_server()), (None, None));
    assert!(connection.kernel_memory().unwrap() >= 5000);

    let (mut server, _) = listener.accept().unwrap();
    server.read_exact(&mut [0; 4000]).unwrap();
    let connection = client.refresh();
    assert_eq!(connection.counters, counters(5000, 4000, 0, 0));
    assert_eq!(connection.is_server_writable(), Some(true));
}

#[test]
fn a_full_queue_is_within_the_kernel_buffering() {
    let (socket, mut server) = UnixStream::pair().unwrap();
    let mut client = Client::new(socket);
    client.socket.set_nonblocking(true).unwrap();
    server.set_nonblocking(true).unwrap();
    let mut written = 0;
    while let Ok(count) = client.socket.write(&[0; 1 << 20]) {
        client.counts.0 += count as u64;
    }
    while let Ok(count) = server.write(&[0; 1 << 20]) {
        written += count as u64;
    }

    let sent = client.counts.0;
    let connection = client.refresh();

    assert_eq!(connection.counters, counters(sent, 0, written, 0));
    assert_eq!(connection.is_server_writable(), Some(false));
    assert!(connection.kernel_memory().unwrap() >= sent + written);
    let limit = KernelBuffering::unix();
    assert!(sent <= limit.client_send && written <= limit.server_send, "{sent} {written} {limit:?}");
    assert!(sent > limit.client_send / 2 && limit.total() > sent + written);
}

#[test]
fn a_server_that_closes_is_told_from_one_that_resets() {
    let ends = |read: usize| {
        let (socket, mut server) = UnixStream::pair().unwrap();
        let mut client = Client::new(socket);
        client.write(1000);
        server.write_all(&[1; 300]).unwrap();
        server.read_exact(&mut vec![0; read]).unwrap();
        assert_eq!(client.refresh().counters, counters(1000, read as u64, 300, 0));
        drop(server);
        client
    };

    let (mut closed, mut reset) = (ends(1000), ends(400));

    // A child of another test has the server's end open until it runs its program.
    let is_closed = |client: &mut Client, how| {
        eventually("the close is seen", || client.refresh().closed_by_server() == Some(how));
    };
    is_closed(&mut closed, ServerClose::Fin);
    is_closed(&mut reset, ServerClose::Gone);
    for client in [&mut closed, &mut reset] {
        // What was not read is lost with the server's end, as over TCP.
        assert_eq!(client.connection.counters, counters(1000, 1000, 300, 0));
        client.read(300);
        assert_eq!(client.refresh().counters.consumed, 300);
        assert_eq!((client.connection.server.as_ref(), client.connection.is_server_writable()), (None, None));
    }
    assert_eq!(reset.connection.closed_by_server(), Some(ServerClose::Gone));
}

#[test]
fn a_server_that_only_ends_its_output_still_reads() {
    let (socket, server) = UnixStream::pair().unwrap();
    let mut client = Client::new(socket);
    server.shutdown(Shutdown::Write).unwrap();
    client.write(1000);

    let connection = client.refresh();

    assert_eq!(connection.closed_by_server(), Some(ServerClose::Fin));
    assert_eq!(connection.counters, counters(1000, 0, 0, 0));
}

#[test]
fn without_socket_tables_only_the_clients_end_is_visible() {
    let (socket, mut server) = UnixStream::pair().unwrap();
    let mut client = Client::new(socket);
    client.write(1000);
    server.write_all(&[1; 300]).unwrap();

    let counts = client.counts;
    let own = OwnSocket { socket: &client.socket, counts: &|| counts };
    client.connection.refresh(own, None);

    assert_eq!(client.connection.counters, Counters { server_read: None, ..counters(1000, 0, 300, 0) });
    assert_eq!((client.connection.kernel_memory(), client.connection.closed_by_server()), (None, None));
}
