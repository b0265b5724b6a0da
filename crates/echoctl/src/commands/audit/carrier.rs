//! What carried the bytes of an audit, TLS and HTTP/2, and how the client stalled the server there.

use echoctl_audit::{AuditConfig, AuditOutcome, StallOutcome, TlsPeer, Transport};
use echoctl_record::{Bytes, Evidence, Responses, StallKind};
use serde::{Serialize, Serializer};

/// The transport and the protocol of an audit. Absent: not used, or not known.
#[derive(Debug, Serialize)]
pub(super) struct Carrier<'a> {
    transport: Transport,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "tls")]
    tls: Option<&'a TlsPeer>,
    /// What the client did not do.
    #[serde(skip_serializing_if = "Option::is_none")]
    stall: Option<StallKind>,
    /// The ways not to read that were tried, if there were several, and the verdict of each; that of the worst counts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stalls: &'a [StallOutcome],
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Responses>,
    /// Bytes that the protocol's windows still allowed the server to send at the end of the attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_credit: Option<u64>,
    /// What the server's protocol said when it ended the connection or its streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    closing: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violation: Option<&'a str>,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(config: &AuditConfig, attack: &'a AuditOutcome) -> Carrier<'a> {
        let Evidence { stall, responses, closing, violation, .. } = &attack.evidence;
        Carrier {
            transport: config.script.transport.unwrap_or(Transport::Tcp),
            tls: attack.tls.as_ref(),
            stall: *stall,
            stalls: if attack.stalls.len() > 1 { &attack.stalls } else { &[] },
            responses: *responses,
            output_credit: attack.evidence.points.last().and_then(|last| last.output_credit),
            closing: closing.as_deref(),
            violation: violation.as_deref(),
        }
    }

    /// Whether the bytes on the wire are those that the server reads and writes, without any of TLS or HTTP/2.
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.has_windows()
    }

    fn has_windows(&self) -> bool {
        self.output_credit.is_some() || self.responses.is_some()
    }

    /// What carried the bytes, and what the client did, in a few lines; none for a client of TCP that does not read.
    pub(super) fn lines(&self) -> Vec<String> {
        let over = self.tls.map(|tls| {
            let alpn = tls.alpn.as_ref().map(|alpn| format!(", {alpn} by ALPN")).unwrap_or_default();
            let fingerprint: String = tls.fingerprint.to_string().chars().take(FINGERPRINT).collect();
            format!("over {} ({}){alpn}, certificate {fingerprint}… (SHA-256)", tls.version, tls.cipher)
        });
        let over = over.or_else(|| match self.transport {
            Transport::Unix => Some("over a Unix socket".to_owned()),
            Transport::Tcp | Transport::Tls => None,
        });
        let stall = self.stall.map(|stall| format!("stalled by a client that {}", words(stall)));
        let other = self.stalls.iter().find(|other| Some(other.stall) != self.stall);
        let other = other.map(|other| format!("{} with a client that {}", other.verdict, words(other.stall)));
        [over, stall, other].into_iter().flatten().collect()
    }

    /// Rows of the evidence.
    pub(super) fn rows(&self) -> Vec<(String, String)> {
        let answered = self.responses.map(|Responses { requests, answered, status }| {
            let status = status.map(|status| format!(", the first with status {status}")).unwrap_or_default();
            ("requests answered".to_owned(), format!("{answered} of {requests}{status}"))
        });
        // Where the client does not read, it does not know what is left of its windows.
        let is_counted = matches!(self.stall, Some(StallKind::Window | StallKind::WindowStream));
        let credit = self.output_credit.filter(|_| is_counted).map(|credit| match credit {
            0 => "used up".to_owned(),
            credit => format!("{} left", Bytes(credit)),
        });
        answered.into_iter().chain(credit.map(|credit| ("the client's windows".to_owned(), credit))).collect()
    }

    /// What the figures count, where that is not obvious.
    pub(super) fn counted(&self) -> Option<&'static str> {
        match (self.tls.is_some(), self.has_windows()) {
            (true, true) => Some("bytes are counted as TLS and HTTP/2 carry them"),
            (true, false) => Some("bytes are counted as TLS carries them"),
            (false, true) => Some("bytes are counted as HTTP/2 carries them"),
            (false, false) => None,
        }
    }
}

/// What a client does that stalls the server.
pub(super) fn words(stall: StallKind) -> &'static str {
    match stall {
        StallKind::Tcp => "does not read from its socket",
        StallKind::Window => {
            "reads from its socket, but grants the server no more data than its first windows"
        }
        StallKind::WindowStream => {
            "reads from its socket, but grants no more data on its streams; the connection's own window stays open"
        }
        StallKind::Client => "was suspended while it received data",
    }
}

/// Writes what was agreed on in the handshake.
fn tls<S: Serializer>(tls: &Option<&TlsPeer>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Tls<'a> {
        version: &'a str,
        cipher: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        alpn: Option<&'a str>,
        /// SHA-256 of the certificate.
        fingerprint: String,
    }
    let written = tls.map(|tls| Tls {
        version: &tls.version,
        cipher: &tls.cipher,
        alpn: tls.alpn.as_deref(),
        fingerprint: tls.fingerprint.to_string(),
    });
    written.serialize(serializer)
}

/// Characters of a fingerprint in a line: eight bytes of it. The JSON has all of them.
const FINGERPRINT: usize = 23;

#[cfg(test)]
mod tests {
    use echoctl_record::Verdict;

    use super::*;

    fn plain() -> Carrier<'static> {
        Carrier {
            transport: Transport::Tcp,
            tls: None,
            stall: None,
            stalls: &[],
            responses: None,
            output_credit: None,
            closing: None,
            violation: None,
        }
    }

    #[test]
    fn plain_tcp_needs_no_words() {
        assert!(plain().is_plain() && plain().lines().is_empty() && plain().rows().is_empty());
        assert_eq!(plain().counted(), None);
    }

    #[test]
    fn the_verdict_of_the_other_stall_has_a_line() {
        let outcome = |stall, verdict| StallOutcome { stall, verdict, reason: String::new() };
        let both =
            [outcome(StallKind::Window, Verdict::Unbounded), outcome(StallKind::Tcp, Verdict::Bounded)];

        let lines = Carrier { stall: Some(StallKind::Window), stalls: &both, ..plain() }.lines();

        assert!(lines[0].starts_with("stalled by a client that reads"), "{lines:?}");
        assert_eq!(lines[1], "bounded with a client that does not read from its socket");
    }

    #[test]
    fn only_windows_that_the_client_knows_have_a_row() {
        let rows = |stall, output_credit| {
            Carrier { stall: Some(stall), output_credit: Some(output_credit), ..plain() }.rows()
        };

        assert_eq!(rows(StallKind::Window, 0)[0].1, "used up");
        assert_eq!(rows(StallKind::WindowStream, 1024)[0].1, "1 KiB left");
        assert!(rows(StallKind::Tcp, 1 << 31).is_empty());
    }

    #[test]
    fn tls_is_named_with_its_certificate() {
        let peer = TlsPeer {
            version: "TLS 1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            alpn: Some("h2".to_owned()),
            fingerprint: echoctl_audit::Fingerprint(vec![0xab; 32]),
        };
        let responses = Some(Responses { requests: 2, answered: 1, status: Some(200) });
        let carrier = Carrier { tls: Some(&peer), responses, ..plain() };

        assert_eq!(
            carrier.lines(),
            [
                "over TLS 1.3 (TLS13_AES_256_GCM_SHA384), h2 by ALPN, certificate AB:AB:AB:AB:AB:AB:AB:AB… (SHA-256)"
            ]
        );
        assert_eq!(carrier.rows()[0].1, "1 of 2, the first with status 200");
        assert!(!carrier.is_plain() && carrier.counted().is_some());
        let json = serde_json::to_value(&carrier).unwrap();
        assert_eq!(json["tls"]["fingerprint"].as_str().map(str::len), Some(95), "all of it");
    }
}
