//! What is refused: requests that another page causes, guesses, and what is not a request of this page.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};

use crate::room::{Reply, Room};

/// The reply to a GET of the page with these lines in place of `Host`.
fn get_as(room: &Room, host: &str) -> Reply {
    room.raw(format!("GET {} HTTP/1.1\r\n{host}Connection: close\r\n\r\n", room.path).as_bytes())
}

#[test]
fn only_the_hosts_of_the_page_are_answered() {
    let room = Room::new();
    let port = room.addr.port();

    let right = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "lectern.example",
        "LECTERN.example",
        "127.0.0.1:80",
    ];
    for host in right {
        assert_eq!(get_as(&room, &format!("Host: {host}\r\n")).status, 200, "{host}");
        if !host.ends_with("80") {
            assert_eq!(get_as(&room, &format!("Host: {host}:{port}\r\n")).status, 200, "{host}");
        }
    }
    // A name that an attacker has pointed at this address, and what looks like ours.
    for host in [
        "attacker.example",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "attacker.example#127.0.0.1",
        "localhost@attacker.example",
        "attacker.example@localhost",
        "127.0.0.1, attacker.example",
        "192.0.2.1",
        "[2001:db8::1]",
        "[::ffff:192.0.2.1]",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "[127.0.0.1",
        "",
        "lectern.example.",
        "\u{430}pple.example",
    ] {
        let reply = get_as(&room, &format!("Host: {host}:{port}\r\n"));
        assert!(matches!(reply.status, 400 | 421), "{host}: {reply:?}");
        assert!(!reply.text.contains(&room.token) && !reply.text.contains("<html"), "{host}");
    }
    for lines in ["", "Host: \r\n", "Host: localhost\r\nHost: attacker.example\r\n", "X: y\r\n"] {
        assert!(matches!(get_as(&room, lines).status, 400 | 421), "{lines}");
    }
    let absolute = format!(
        "GET http://attacker.example{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        room.path
    );
    assert_eq!(room.raw(absolute.as_bytes()).status, 421);
}

#[test]
fn an_address_of_ipv6_is_a_host_too() {
    let room = Room::at(IpAddr::V6(Ipv6Addr::LOCALHOST));

    assert_eq!(get_as(&room, &format!("Host: [::1]:{}\r\n", room.addr.port())).status, 200);
    assert_eq!(get_as(&room, "Host: [0:0:0:0:0:0:0:1]\r\n").status, 200);
    assert_eq!(get_as(&room, "Host: [::2]\r\n").status, 421);
    assert_eq!(get_as(&room, "Host: [fe80::1]\r\n").status, 421);
}

#[test]
fn only_the_page_itself_may_post() {
    let room = Room::new();
    let post = |origin: &str| {
        let headers =
            format!("{origin}Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", room.token);
        room.request("POST", "/command", &headers, r#"{"command":"dismiss"}"#)
    };
    let ours = format!("Origin: http://{}\r\n", room.addr);

    assert_eq!(post(&ours).status, 200);
    for origin in [
        "",
        "Origin: null\r\n",
        "Origin: \r\n",
        "Origin: http://attacker.example\r\n",
        "Origin: http://127.0.0.1\r\n",
        "Origin: http://localhost:1\r\n",
        &format!("Origin: https://{}\r\n", room.addr),
        &format!("Origin: http://{}.attacker.example\r\n", room.addr),
        &format!("Origin: http://attacker.example@{}\r\n", room.addr),
        &format!("{ours}Origin: http://attacker.example\r\n"),
        &format!("Referer: http://{}/\r\n", room.addr),
    ] {
        assert_eq!(post(origin).status, 403, "{origin}");
    }
}

#[test]
fn a_form_cannot_post() {
    let room = Room::new();

    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    {
        let headers = format!(
            "Origin: http://{}\r\nContent-Type: {content_type}\r\nAuthorization: Bearer {}\r\n",
            room.addr, room.token
        );
        let reply = room.request("POST", "/command", &headers, r#"{"command":"dismiss"}"#);
        assert_eq!(reply.status, 415, "{content_type}");
    }
}

#[test]
fn only_the_whole_token_switches() {
    let room = Room::new();
    let token = &room.token;
    let (first, rest) = token.split_at(1);
    let guesses = [
        String::new(),
        first.to_owned(),
        token[..token.len() - 1].to_owned(),
        format!("{token}x"),
        format!("{}{rest}", if first == "0" { "1" } else { "0" }),
        token.to_uppercase(),
        room.path.trim_start_matches('/').to_owned(),
        "0".repeat(token.len()),
        "\u{e9}".repeat(token.len()),
    ];

    for guess in guesses.iter().filter(|guess| *guess != token) {
        let reply = room.post("/command", guess, r#"{"command":"dismiss"}"#);
        assert_eq!(
            (reply.status, reply.error()),
            (401, "only the teacher's page may do this".to_owned()),
            "{guess}"
        );
        let teacher = room.request("GET", "/teacher", &format!("Authorization: Bearer {guess}\r\n"), "");
        assert_eq!(teacher.status, 401, "{guess}");
    }
    for scheme in ["", "Basic ", "Bearer", "bearer: "] {
        let reply = room.request("GET", "/teacher", &format!("Authorization: {scheme}{token}\r\n"), "");
        assert_eq!(reply.status, 401, "{scheme}");
    }
    assert_eq!(room.request("GET", "/teacher", "", "").status, 401);
    let teacher = room.request("GET", "/teacher", &format!("Authorization: Bearer {token}\r\n"), "");
    assert!(teacher.status == 200 && teacher.text.contains(r#""name":"write""#), "{teacher:?}");
}

#[test]
fn nothing_is_found_without_the_viewers_path() {
    let room = Room::new();
    let path = room.path.trim_start_matches('/');
    let guesses = [
        String::new(),
        "events".to_owned(),
        "command".to_owned(),
        path[1..].to_owned(),
        format!("{path}x"),
        path.to_uppercase(),
        format!("{path}/.."),
        format!("%{:02x}{}", path.as_bytes()[0], &path[1..]),
        format!("../{path}"),
        format!("{path}/events/"),
        format!("x/{path}"),
    ];

    for guess in guesses.iter().filter(|guess| *guess != path) {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = format!(
                "{method} /{guess} HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nContent-Type: application/json\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n",
                addr = room.addr
            );
            let reply = room.raw(request.as_bytes());
            assert_eq!(reply.status, 404, "{method} {guess}: {reply:?}");
        }
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let room = Room::new();

    for (method, rest) in [
        ("PUT", ""),
        ("DELETE", ""),
        ("OPTIONS", ""),
        ("TRACE", ""),
        ("OPTIONS", "/command"),
        ("HEAD", "/events"),
        ("GET", "/command"),
        ("GET", "/vote"),
        ("PUT", "/vote"),
    ] {
        let reply = room.request(method, rest, "Origin: http://attacker.example\r\n", "");
        assert_eq!(reply.status, 405, "{method} {rest}: {reply:?}");
        assert!(reply.header("allow").is_some(), "{method} {rest}");
    }
    assert_eq!(room.request("CONNECT", "", "", "").status / 100, 4);
    let head = room.request("HEAD", "", "", "");
    assert!(head.status == 200 && head.text.ends_with("\r\n\r\n"), "{head:?}");
}

#[test]
fn every_reply_forbids_what_the_page_does_not_need() {
    let room = Room::new();
    let attacker = "Origin: http://attacker.example\r\nAccess-Control-Request-Method: POST\r\n";
    let replies = [
        room.request("GET", "", attacker, ""),
        room.request("GET", "/", attacker, ""),
        room.request("GET", "/nothing", attacker, ""),
        room.request("OPTIONS", "/command", attacker, ""),
        room.request("POST", "/command", attacker, "{}"),
        room.command(r#"{"command":"dismiss"}"#),
        room.command("{"),
        room.post("/command", "", "{}"),
        get_as(&room, "Host: attacker.example\r\n"),
    ];

    for reply in replies {
        assert!(!reply.text.to_lowercase().contains("access-control"), "{reply:?}");
        assert!(reply.header("set-cookie").is_none());
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(!reply.text.contains(&room.token));
    }
}

#[test]
fn each_page_has_a_nonce_of_its_own() {
    let room = Room::new();
    let nonces = [(); 2].map(|()| {
        let page = room.request("GET", "", "", "");
        let policy = page.header("content-security-policy").unwrap();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert_eq!(page.text.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "one style, one script");
        assert!(!page.text.contains("{{nonce}}"));
        let length: usize = page.header("content-length").unwrap().parse().unwrap();
        assert_eq!(page.text.split_once("\r\n\r\n").unwrap().1.len(), length);
        nonce
    });

    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn requests_in_a_row_are_all_checked() {
    let room = Room::new();
    let (path, addr) = (&room.path, room.addr);
    let one = |host: &str, rest: &str| format!("GET {path}{rest} HTTP/1.1\r\nHost: {host}\r\n");
    let good = one(&addr.to_string(), "/nothing");

    // Sent at once: the last one, of another host, is refused, although those before are not.
    let mut connection = room.connect();
    write!(connection, "{good}\r\n{good}\r\n{}Connection: close\r\n\r\n", one("attacker.example", ""))
        .unwrap();
    let replies = Reply::read(connection).text;

    assert_eq!(replies.matches("HTTP/1.1 404").count(), 2, "{replies}");
    assert_eq!(replies.matches("HTTP/1.1 421").count(), 1, "{replies}");
    // A body is not taken for a request.
    let hidden = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    let reply = room.post("/vote", "", &hidden);
    assert_eq!(reply.text.matches("HTTP/1.1 ").count(), 1, "{reply:?}");
}
