//! A client's end of an HTTP/2 connection, without the connection: bytes in, bytes and events out.
