//! Does what the teacher asks for on the page.

use std::sync::Arc;
use std::time::Duration;

use echoctl_live::{CommandRequest, Questions, Refusal};
use echoctl_record::{Bytes, ClassCommand};
use echoctl_server::{Control, Error, Policy};
use tokio::sync::mpsc;

use super::connection_ids::ConnectionIds;
use super::experiment;
use super::marks::Marks;
use super::policies::{self, Offer};

/// Does the commands of a page, one after the other.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) control: Control,
    pub(super) ids: Arc<ConnectionIds>,
    pub(super) marks: Arc<Marks>,
    pub(super) offer: Offer,
    pub(super) questions: Questions,
}

impl Operator {
    /// Does the commands until the page is gone.
    pub(super) async fn serve(self, mut commands: mpsc::Receiver<CommandRequest>) {
        while let Some(CommandRequest { command, reply }) = commands.recv().await {
            // The teacher may have left.
            let _ = reply.send(self.perform(command));
        }
    }

    fn perform(&self, command: ClassCommand) -> Result<(), Refusal> {
        match command {
            ClassCommand::SetPolicy { name, queue_limit } => {
                let policy = self.offer.find(&name, queue_limit);
                self.set_policy(policy.ok_or_else(|| Refusal::new("this page offers no such policy"))?)
            }
            ClassCommand::SetQueueLimit { bytes } => {
                let policy = policies::with_limit(self.control.policy(), bytes);
                let none = || Refusal::new(format!("the policy {policy} has no limit of its queue"));
                let limit = policy.limit().ok_or_else(none)?;
                self.set_policy(policy)?;
                self.offer.set_queue_limit(limit);
                Ok(())
            }
            ClassCommand::SetWriteTimeout { seconds } => self.set_write_timeout(seconds),
            ClassCommand::SetMemoryLimit { bytes } => self.set_memory_limit(bytes),
            ClassCommand::Pause { paused } => {
                self.control.set_paused(paused);
                self.marks.add(if paused { "paused" } else { "resumed" }.to_owned());
                Ok(())
            }
            ClassCommand::Reset { id } => self.reset(id),
            ClassCommand::Run => experiment::start(&self.questions),
            // The page does these itself.
            ClassCommand::Ask(_)
            | ClassCommand::CloseVote
            | ClassCommand::Answer { .. }
            | ClassCommand::Dismiss => Err(Refusal::new("the page asks questions itself")),
        }
    }

    fn set_policy(&self, policy: Policy) -> Result<(), Refusal> {
        if policy.limit() == Some(0) {
            return Err(Refusal::new("the limit of the queue must be at least 1 byte"));
        }
        let most = self.control.memory_limit();
        if policy.limit().is_some_and(|limit| limit as u64 > most) {
            let why = format!("the limit of the queue must not exceed the memory limit, {}", Bytes(most));
            return Err(Refusal::new(why));
        }
        self.control.set_policy(policy).map_err(refusal)?;
        self.marks.add(label(policy));
        Ok(())
    }

    fn set_write_timeout(&self, seconds: Option<f64>) -> Result<(), Refusal> {
        let timeout = seconds.map(Duration::try_from_secs_f64).transpose();
        let timeout = timeout.map_err(|error| Refusal::new(error.to_string()))?;
        self.control.set_write_timeout(timeout).map_err(refusal)?;
        self.marks.add(match timeout {
            Some(timeout) => format!("write timeout {}", humantime::format_duration(timeout)),
            None => "no write timeout".to_owned(),
        });
        Ok(())
    }

    fn set_memory_limit(&self, bytes: u64) -> Result<(), Refusal> {
        if let Some(limit) = self.control.policy().limit().filter(|limit| *limit as u64 > bytes) {
            let limit = Bytes(limit as u64);
            let why = format!("the memory limit must not be less than the limit of the queue, {limit}");
            return Err(Refusal::new(why));
        }
        self.control.set_memory_limit(bytes).map_err(refusal)?;
        self.marks.add(format!("memory limit {}", Bytes(bytes)));
        Ok(())
    }

    fn reset(&self, id: u64) -> Result<(), Refusal> {
        let gone = || Refusal::new("this connection is closed already");
        let peer = self.ids.peer(id).ok_or_else(gone)?;
        if !self.control.disconnect(peer) {
            return Err(gone());
        }
        self.marks.add(format!("{peer} reset"));
        Ok(())
    }
}

/// A policy as a mark names it.
pub(super) fn label(policy: Policy) -> String {
    match policy.limit() {
        Some(limit) => format!("{policy}, {}", Bytes(limit as u64)),
        None => policy.to_string(),
    }
}

fn refusal(error: Error) -> Refusal {
    Refusal::new(error.to_string())
}
