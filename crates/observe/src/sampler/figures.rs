//! What the kernel shows of a connection, as the rule of causes takes it.

use std::time::Instant;

use echoctl_record::{ConnectionFigures, ConnectionPhase, Queue, Queues, SocketTimer};

use super::Connection;
use super::history::Reader;
use crate::{TcpState, Timer};

impl Connection {
    /// Bytes in the kernels' queues; `None` for those of a client whose socket is not visible. The server need not echo, so what is
    /// inside it is not known.
    pub fn queues(&self) -> Queues {
        let counters = self.counters;
        let path = [
            Some(counters.produced),
            counters.server_received,
            counters.server_read,
            counters.server_written,
            counters.client_received,
            Some(counters.consumed),
        ];
        Queues::between(path, |queue| match queue {
            Queue::ClientSend | Queue::ClientReceive => self.client.is_some(),
            Queue::Inside => false,
            Queue::ServerReceive | Queue::ServerSend => true,
        })
    }

    /// Its figures at `now`. Ages that the kernel measures are those of the last reading.
    pub fn figures(&self, now: Instant) -> ConnectionFigures {
        let queues = self.queues();
        let info = self.server.map(|server| server.info);
        let seconds = |milliseconds: u32| f64::from(milliseconds) / 1e3;
        let history = &self.history;
        let wait = history.last_wait(now);
        let since_read = |side| Some(history.since_read(side, now).as_secs_f64());
        let read_rate = |side: Reader| side.rate(now).filter(|_| !self.shows_only_queues());
        ConnectionFigures {
            phase: self.phase(),
            client_send: queues[Queue::ClientSend],
            server_receive: queues[Queue::ServerReceive],
            server_send: queues[Queue::ServerSend],
            client_receive: queues[Queue::ClientReceive],
            client_window: info.and_then(|info| info.snd_wnd).map(u64::from),
            largest_client_window: history.largest_window().map(u64::from),
            since_window_closed: history.since_window_closed(now).map(|time| time.as_secs_f64()),
            server_window: self.window().map(u64::from),
            timer: self.server_timer.and_then(timer),
            unanswered: self.server_unanswered,
            since_client_answered: info.and_then(|info| info.last_ack_recv).map(seconds),
            since_received: info.and_then(|info| info.last_data_recv).map(seconds),
            since_sent: info.and_then(|info| info.last_data_sent).map(seconds),
            since_server_read: since_read(history.server),
            since_client_read: since_read(history.client),
            client_limited: history.client_limited(),
            last_wait: wait.map(|(lasted, _)| lasted.as_secs_f64()),
            since_last_wait: wait.map(|(_, ago)| ago.as_secs_f64()),
            receive_rate: history.receive_rate(),
            send_rate: history.send_rate(),
            server_read_rate: read_rate(history.server),
            client_read_rate: read_rate(history.client),
            in_phase_for: history.in_phase_for(now).as_secs_f64(),
            seen_for: history.seen_for(now).as_secs_f64(),
        }
    }

    /// How far it is in its life. A socket that no process has open, and that is not closed, waits for accept.
    pub fn phase(&self) -> ConnectionPhase {
        use TcpState::{CloseWait, Established};
        match self.server_state {
            Some(Established | CloseWait) if self.server_inode == Some(0) => ConnectionPhase::InAcceptQueue,
            Some(CloseWait) => ConnectionPhase::ClosedByClient,
            Some(state) if state.has_sent_fin() => ConnectionPhase::ClosedByServer,
            _ => ConnectionPhase::Open,
        }
    }
}

fn timer(timer: Timer) -> Option<SocketTimer> {
    match timer {
        Timer::Retransmit => Some(SocketTimer::Retransmit),
        Timer::KeepAlive => Some(SocketTimer::KeepAlive),
        Timer::ZeroWindowProbe => Some(SocketTimer::ZeroWindowProbe),
        // Nothing is left to time.
        Timer::TimeWait => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{Counters, Endpoint, TcpInfo};

    fn connection(state: TcpState, inode: u32) -> Connection {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        let info = TcpInfo {
            state,
            last_data_sent: Some(4200),
            last_data_recv: Some(50),
            last_ack_recv: Some(7),
            snd_wnd: Some(0),
            rcv_wnd: Some(9),
            ..TcpInfo::default()
        };
        Connection {
            counters: Counters {
                server_received: Some(9),
                server_read: Some(4),
                server_written: Some(5),
                client_received: Some(0),
                ..Counters::default()
            },
            server: Some(Endpoint { info, memory: None, timer: None }),
            server_state: Some(state),
            server_inode: Some(inode),
            server_timer: Some(Timer::ZeroWindowProbe),
            server_unanswered: 3,
            ..Connection::new(addr, addr)
        }
    }

    #[test]
    fn a_client_elsewhere_is_seen_from_the_end_of_the_server() {
        let figures = connection(TcpState::Established, 12).figures(Instant::now());

        assert_eq!((figures.client_send, figures.client_receive), (None, None));
        assert_eq!((figures.server_receive, figures.server_send), (Some(5), Some(5)));
        assert_eq!((figures.client_window, figures.server_window), (Some(0), Some(9)));
        assert_eq!((figures.timer, figures.unanswered), (Some(SocketTimer::ZeroWindowProbe), 3));
        assert_eq!((figures.since_sent, figures.since_received), (Some(4.2), Some(0.05)));
        assert_eq!(figures.since_client_answered, Some(0.007));
    }

    #[test]
    fn a_phase_follows_from_the_state_and_the_inode() {
        use TcpState::{CloseWait, Established, FinWait1, FinWait2, LastAck};
        let phase = |state, inode| connection(state, inode).phase();

        assert_eq!(phase(Established, 12), ConnectionPhase::Open);
        assert_eq!(phase(CloseWait, 12), ConnectionPhase::ClosedByClient);
        for state in [Established, CloseWait] {
            assert_eq!(phase(state, 0), ConnectionPhase::InAcceptQueue);
        }
        for state in [FinWait1, FinWait2, LastAck, TcpState::Closing] {
            assert_eq!((phase(state, 0), phase(state, 12)), ([ConnectionPhase::ClosedByServer; 2].into()));
        }
    }
}
