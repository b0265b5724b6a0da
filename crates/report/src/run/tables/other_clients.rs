//! How other clients were served while one did not read, and after it had gone.

use echoctl_record::{Bystanders, Seconds, Service, count};

use crate::Table;

/// A row for the time before the attack, and one for each client that asked later.
pub fn other_clients(clients: &Bystanders) -> Table {
    let calm = match clients.calm {
        // The answers were there when they were first looked for.
        0.0 => "answered at once".to_owned(),
        time => format!("answered within {}", Seconds(time)),
    };
    let calm = if clients.serves_several { calm } else { calm + ", one client at a time" };
    let limit = clients.limit;
    let later = |service: Option<Service>| service.and_then(|service| later(service, limit));
    Table::default()
        .row(["before the attack", &calm])
        .entry("active (asks repeatedly)", clients.active.and_then(|service| active(service, limit)))
        .entry("idle (connected before)", later(clients.idle))
        .entry("newcomer (connects later)", later(clients.newcomer))
        .entry("subscriber (gets the same)", later(clients.subscriber))
}

/// How the client was served that asks again and again.
fn active(service: Service, limit: f64) -> Option<String> {
    let Service { replies, p99, longest, during, .. } = service;
    let none = if service.refused { "only errors" } else { "none" };
    let answers = count(replies, "answer");
    let during = match (replies, during) {
        (0, None) => return later(service, limit),
        (0, Some(false)) if !service.refused => {
            format!("no answer within {} during the attack", Seconds(limit))
        }
        (_, Some(false)) => format!("{answers} during the attack, then {none} within {}", Seconds(limit)),
        (1, _) => format!("1 answer during the attack, within {}", Seconds(longest)),
        // Of fewer than 100 times, the 99th percentile is the longest.
        (100.., _) if p99.is_some() => format!(
            "{answers} during the attack, 99 % within {}, the slowest within {}",
            Seconds(p99.unwrap_or(longest)),
            Seconds(longest)
        ),
        _ => format!("{answers} during the attack, each within {}", Seconds(longest)),
    };
    let after = later(Service { during: None, ..service }, limit);
    Some(after.map_or(during.clone(), |after| format!("{during}; {after}")))
}

/// How a client was served that asks once during the attack, and once after it.
fn later(service: Service, limit: f64) -> Option<String> {
    let (limit, longest) = (Seconds(limit), Seconds(service.longest));
    let unserved = match service {
        Service { began: true, .. } => "only the beginning of an answer",
        Service { refused: true, .. } => "only errors",
        _ => "no answer",
    };
    Some(match (service.during, service.after) {
        (Some(true), Some(true)) => format!("answered during the attack and after it, within {longest}"),
        (Some(true), Some(false)) => {
            format!("answered during the attack; {unserved} within {limit} after it")
        }
        (Some(true), None) => format!("answered during the attack, within {longest}"),
        (Some(false), Some(true)) => {
            format!("{unserved} within {limit} during the attack; answered after it")
        }
        (Some(false), Some(false)) => format!("{unserved} within {limit} during the attack, nor after it"),
        (Some(false), None) => format!("{unserved} within {limit} during the attack"),
        (None, Some(true)) => format!("answered after the attack, within {longest}"),
        (None, Some(false)) => format!("{unserved} within {limit} after the attack"),
        (None, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(active: Option<Service>, newcomer: Option<Service>) -> Vec<String> {
        let clients = Bystanders {
            calm: 0.002,
            serves_several: true,
            limit: 5.0,
            active,
            newcomer,
            ..Bystanders::default()
        };
        other_clients(&clients).rows.into_iter().skip(1).map(|mut row| row.remove(1)).collect()
    }

    #[test]
    fn an_active_client_shows_how_many_answers_it_got() {
        let served =
            |replies, p99| Service { replies, p99, longest: 0.25, during: Some(true), ..Service::default() };
        let starved = |replies| Service { during: Some(false), longest: 5.0, ..served(replies, None) };

        let texts =
            [served(1, None), served(9, Some(0.25)), served(300, Some(0.002)), starved(4), starved(0)];
        let texts = texts.map(|service| rows(Some(service), None).remove(0));

        assert_eq!(
            texts,
            [
                "1 answer during the attack, within 250 ms",
                "9 answers during the attack, each within 250 ms",
                "300 answers during the attack, 99 % within 2 ms, the slowest within 250 ms",
                "4 answers during the attack, then none within 5.0 s",
                "no answer within 5.0 s during the attack",
            ]
        );
    }

    #[test]
    fn only_questions_that_were_asked_have_an_answer() {
        let service = |during, after| Service { during, after, ..Service::default() };

        assert_eq!(rows(Some(Service::default()), Some(service(None, None))), [""; 0]);
        assert_eq!(
            rows(None, Some(service(Some(false), Some(true)))),
            ["no answer within 5.0 s during the attack; answered after it"]
        );
        assert_eq!(rows(None, Some(service(None, Some(false)))), ["no answer within 5.0 s after the attack"]);
    }

    #[test]
    fn a_server_of_one_client_at_a_time_is_named() {
        let clients = Bystanders { calm: 0.1, serves_several: false, limit: 5.0, ..Bystanders::default() };

        let text = other_clients(&clients).to_text();

        assert!(text.contains("within 100 ms, one client at a time"), "{text}");
    }
}
