//! The models.

use std::net::SocketAddr;
use std::task::Wake;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::super::*;
use super::Descriptor;
use crate::account::Account;

/// One connection after another in the only entry of a table, each as its task would run it.
struct Visitor {
    table: Arc<ConnectionTable>,
    descriptor: Descriptor,
    entry: EntryRef,
}

impl Visitor {
    fn enter(table: &Arc<ConnectionTable>, now: u32) -> Visitor {
        Visitor::enter_from(table, now, 1)
    }

    fn enter_from(table: &Arc<ConnectionTable>, now: u32, port: u16) -> Visitor {
        let (descriptor, peer) = (Descriptor::open(), SocketAddr::from(([127, 0, 0, 1], port)));
        let entry = table.insert(descriptor.clone(), peer, now).expect("there is room");
        Visitor { table: table.clone(), descriptor, entry }
    }

    fn leave(self) -> Vacated {
        let vacated = self.table.remove(&self.entry);
        self.descriptor.close();
        self.table.released();
        vacated
    }
}

/// A table with one entry.
fn table() -> Arc<ConnectionTable> {
    Arc::new(ConnectionTable::new(1))
}

#[test]
fn a_timeout_closes_only_the_connection_that_exceeded_it() {
    loom::model(|| {
        let table = table();
        let idle = Visitor::enter(&table, 0);

        let tasks = thread::spawn(move || {
            let table = idle.table.clone();
            idle.leave();
            Visitor::enter(&table, 1000)
        });
        for seen in table.entries().filter_map(EntryRef::look) {
            if seen.entry.last_progress() < 1000 {
                seen.close(CloseCause::IdleTimeout);
            }
        }

        let busy = tasks.join().expect("no panic");
        assert_eq!(busy.leave().cause, None, "the successor of an idle connection was closed");
    });
}

#[test]
fn no_descriptor_is_used_after_its_socket_was_closed() {
    loom::model(|| {
        let table = table();
        let first = Visitor::enter(&table, 0);

        let tasks = thread::spawn(move || {
            let table = first.table.clone();
            first.leave();
            Visitor::enter(&table, 0).leave();
        });
        table.close_reading();
        table.close_all(CloseCause::Shutdown);

        tasks.join().expect("no panic");
    });
}

#[test]
fn a_shutdown_closes_every_open_connection_once() {
    loom::model(|| {
        let table = table();
        let visitor = Visitor::enter(&table, 0);

        let reaper = {
            let table = table.clone();
            thread::spawn(move || table.close_all(CloseCause::WriteTimeout))
        };
        table.close_all(CloseCause::Shutdown);
        let first = visitor.entry.close_cause().expect("it is being closed");

        reaper.join().expect("no panic");
        assert_eq!(visitor.leave().cause, Some(first), "the first cause remains");
    });
}

#[test]
fn totals_never_fall() {
    loom::model(|| {
        let table = table();
        let visitor = Visitor::enter(&table, 0);
        visitor.entry.record_received(5, 0);

        let tasks = thread::spawn(move || {
            visitor.entry.record_received(1, 0);
            visitor.leave();
        });
        let (_, first) = table.totals();
        let (_, second) = table.totals();

        assert!((5..=second.received).contains(&first.received), "{first:?}, then {second:?}");
        tasks.join().expect("no panic");
        assert_eq!(table.totals().1.received, 6);
    });
}

#[test]
fn memory_about_to_be_released_is_accounted_for_once() {
    loom::model(|| {
        let (table, account) = (table(), Arc::new(Account::new(100)));
        let visitor = Visitor::enter(&table, 0);
        assert!(account.try_add(60));
        visitor.entry.set_buffered(60);

        let limits = {
            let (table, account) = (table.clone(), account.clone());
            thread::spawn(move || {
                if let Some(largest) = table.largest() {
                    largest.close_for_memory(&account);
                }
            })
        };
        // As a handle does it.
        visitor.entry.set_buffered(0);
        account.subtract(60);
        account.finish_release(visitor.leave().releasing);

        limits.join().expect("no panic");
        assert!(account.try_add(100) && !account.will_fit(1), "{account:?}");
    });
}

#[test]
fn an_empty_table_shows_all_that_its_connections_did() {
    loom::model(|| {
        let table = table();
        let visitor = Visitor::enter(&table, 0);
        let descriptor = visitor.descriptor.clone();

        let tasks = thread::spawn(move || {
            visitor.leave();
        });
        if table.open() == 0 {
            assert!(!descriptor.is_open.load(Relaxed), "its socket is closed");
        }

        tasks.join().expect("no panic");
    });
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Sleeper {
    woken: std::sync::atomic::AtomicUsize,
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        self.woken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_connection_sees_a_change_or_is_woken_by_it() {
    loom::model(|| {
        let table = table();
        let visitor = Visitor::enter(&table, 0);
        // As the signals of the settings are: relaxed.
        let signal = Arc::new(AtomicBool::new(false));

        let control = {
            let (table, signal) = (table.clone(), signal.clone());
            thread::spawn(move || {
                signal.store(true, Relaxed);
                table.wake_all();
            })
        };
        let sleeper = std::sync::Arc::new(Sleeper::default());
        visitor.entry.set_waker(&sleeper.clone().into());
        let has_seen = signal.load(Relaxed);

        control.join().expect("no panic");
        let woken = sleeper.woken.load(std::sync::atomic::Ordering::SeqCst);
        assert!(has_seen || woken > 0, "it sleeps, and the change is past");
        visitor.leave();
        assert_eq!(std::sync::Arc::strong_count(&sleeper), 1, "the waker went with the connection");
    });
}

#[test]
fn a_connection_is_woken_by_what_closes_it() {
    loom::model(|| {
        let table = table();
        let visitor = Visitor::enter(&table, 0);

        let control = {
            let table = table.clone();
            thread::spawn(move || {
                table.close_peer(SocketAddr::from(([127, 0, 0, 1], 1)), CloseCause::Operator)
            })
        };
        let sleeper = std::sync::Arc::new(Sleeper::default());
        visitor.entry.set_waker(&sleeper.clone().into());
        let has_seen = visitor.entry.close_cause().is_some();

        assert!(control.join().expect("no panic"), "it is the one with this peer");
        let woken = sleeper.woken.load(std::sync::atomic::Ordering::SeqCst);
        assert!(has_seen || woken > 0, "it sleeps, and is closed");
        assert_eq!(visitor.leave().cause, Some(CloseCause::Operator));
    });
}

#[test]
fn only_the_connection_with_the_peer_is_reset() {
    loom::model(|| {
        let table = table();
        let first = Visitor::enter(&table, 0);

        let tasks = thread::spawn(move || {
            let table = first.table.clone();
            let cause = first.leave().cause;
            (cause, Visitor::enter_from(&table, 0, 2).leave().cause)
        });
        let has_closed = table.close_peer(SocketAddr::from(([127, 0, 0, 1], 1)), CloseCause::Operator);
        let shown = table.connections();

        let (first, second) = tasks.join().expect("no panic");
        assert_eq!((first.is_some(), second), (has_closed, None), "its successor has another peer");
        assert!(shown.len() <= 1, "{shown:?}");
    });
}

/// Two connections, one after the other, while others look at the table and close what they see.
#[test]
fn connections_come_and_go_while_all_others_look_at_them() {
    let mut model = loom::model::Builder::new();
    // All orders would take hours. Each of the bugs that the tests above find needs at most two switches.
    model.preemption_bound = Some(2);
    model.check(|| {
        let (table, account) = (table(), Arc::new(Account::new(100)));
        let tasks = {
            let (table, account) = (table.clone(), account.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let visitor = Visitor::enter(&table, 1000);
                    assert!(account.try_add(60), "what the connection before had buffered is free");
                    visitor.entry.set_buffered(60);
                    visitor.entry.record_received(1, 1000);
                    visitor.entry.set_buffered(0);
                    account.subtract(60);
                    let vacated = visitor.leave();
                    account.finish_release(vacated.releasing);
                    assert_ne!(vacated.cause, Some(CloseCause::IdleTimeout), "it was never idle");
                }
            })
        };
        let limits = {
            let (table, account) = (table.clone(), account.clone());
            thread::spawn(move || {
                for seen in table.entries().filter_map(EntryRef::look) {
                    if seen.entry.last_progress() < 1000 {
                        seen.close(CloseCause::IdleTimeout);
                    } else {
                        seen.close_for_memory(&account);
                    }
                }
            })
        };
        table.close_all(CloseCause::Shutdown);

        tasks.join().expect("no panic");
        limits.join().expect("no panic");
        let (accepted, totals) = table.totals();
        assert_eq!((accepted, totals.received, table.open(), account.buffered()), (2, 2, 0, 0));
        assert!(account.try_add(100) && !account.will_fit(1), "{account:?}");
    });
}
