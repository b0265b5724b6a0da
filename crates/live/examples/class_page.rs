//! The page of a class without a class: 1,000 connections are made up, of which the worst 40 are shown, twice per second.
//!
//! `cargo run -p echoctl-live --example class_page [ADDR]` prints where viewers and teachers find it, and does what they command, until
//! its standard input ends. For work on the page, and to measure what viewers cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echoctl_live::{Access, ClassFeed, ClassPage, CommandRequest, Questions, Refusal};
use echoctl_record::{
    ClassCommand, ClassPoint, ClassRow, ClassSetup, ClassState, ConnectionCause, LessonChoice, Mark,
    PolicyChoice,
};
use tokio::sync::{mpsc, watch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr: SocketAddr = std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(addr))?;
    Ok(())
}

async fn serve(addr: SocketAddr) -> Result<(), echoctl_live::Error> {
    let page = ClassPage::bind(addr, Access::new()?).await?;
    println!("viewers: {}\nteacher: {}", page.viewer_url(addr.ip()), page.teacher_url(addr.ip()));
    let (states, receiver) = watch::channel(Arc::new(state(0, &ClassState::default())));
    let (sender, commands) = mpsc::channel(8);
    let feed = ClassFeed { setup: setup(), lessons: vec![lesson()], states: receiver, commands: sender };
    let questions = page.questions();
    tokio::select! {
        () = page.serve(feed) => {}
        () = change(&states, commands, &questions) => {}
        _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())) => {}
    }
    Ok(())
}

/// Makes two states per second, and does what is commanded.
async fn change(
    states: &watch::Sender<Arc<ClassState>>,
    mut commands: mpsc::Receiver<CommandRequest>,
    questions: &Questions,
) {
    let mut settings = (**states.borrow()).clone();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let mut tick = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => tick += 1,
            Some(request) = commands.recv() => {
                let outcome = set(&mut settings, &request.command, questions);
                if outcome.is_ok() {
                    settings.marks.push(Mark { t: settings.point.t, label: settings.policy.clone() });
                }
                let _ = request.reply.send(outcome);
            }
        }
        settings = state(tick, &settings);
        states.send_replace(Arc::new(settings.clone()));
    }
}

fn set(settings: &mut ClassState, command: &ClassCommand, questions: &Questions) -> Result<(), Refusal> {
    match command {
        ClassCommand::SetPolicy { name, queue_limit } => {
            let choice = settings.policies.iter().find(|choice| choice.name == *name);
            let choice = choice.ok_or_else(|| Refusal::new("unknown policy"))?;
            settings.queue_limit = queue_limit.or(choice.queue_limit);
            settings.policy.clone_from(name);
        }
        ClassCommand::SetQueueLimit { bytes } => settings.queue_limit = Some(*bytes),
        ClassCommand::SetWriteTimeout { seconds } => settings.write_timeout = *seconds,
        ClassCommand::SetMemoryLimit { bytes } => settings.memory_limit = *bytes,
        ClassCommand::Pause { paused } => settings.is_paused = *paused,
        ClassCommand::Run => {
            let question = questions.begin_run()?;
            questions.answer(question.id, Some(0), "3.1 MiB: both kernels' queues")?;
        }
        _ => return Err(Refusal::new("not here")),
    }
    Ok(())
}

/// The state of a tick: memory grows and falls, with the settings of the state before.
fn state(tick: u64, settings: &ClassState) -> ClassState {
    let policy = if settings.policy.is_empty() { "off".to_owned() } else { settings.policy.clone() };
    let buffered = (tick % 60) << 22;
    let point = ClassPoint {
        t: tick as f64 / 2.0,
        memory: Some((6 << 20) + buffered),
        kernel_memory: Some((40 << 20) + (tick % 7) * 100_000),
        buffered,
        receive_rate: Some(1e6 + (tick % 13) as f64 * 1e5),
        send_rate: Some(3e5 + (tick % 11) as f64 * 1e4),
    };
    ClassState {
        point,
        policy,
        policies: policies(),
        memory_limit: settings.memory_limit.max(256 << 20),
        connections: 1000,
        stalled: 3,
        rows: (0..ClassState::MAX_ROWS as u64).map(|id| row(id, tick)).collect(),
        sentence: "ada does not read: her receive queue is full, then the server's send queue, then the server buffers"
            .to_owned(),
        ..settings.clone()
    }
}

fn row(id: u64, tick: u64) -> ClassRow {
    let is_stalled = id < 3;
    let queue = |most: u64| if is_stalled { most } else { (id * 7919 + tick * 104_729) % (most / 100) };
    let inside = if is_stalled { (tick % 60) << 20 } else { 0 };
    let cause = if is_stalled { ConnectionCause::ClientDoesNotRead } else { ConnectionCause::Flows };
    ClassRow {
        id,
        peer: format!("192.168.1.{}:{}", 10 + id, 50_000 + id * 97),
        name: Some(format!("student {id}")).filter(|_| id % 3 != 2),
        server_receive: Some(queue(1 << 17)),
        inside: Some(inside),
        server_send: Some(queue(2_600_000)),
        held: queue(1 << 17) + inside + queue(2_600_000),
        cause,
        cause_seconds: is_stalled.then_some(tick as f64 / 2.0),
        diagnosis: if is_stalled {
            format!("client does not read ({} s)", tick / 2)
        } else {
            "flows".to_owned()
        },
        receive_rate: Some(if is_stalled { 0.0 } else { 1234.5 * id as f64 }),
        send_rate: Some(if is_stalled { 0.0 } else { 1234.5 * id as f64 }),
        ..ClassRow::default()
    }
}

fn policies() -> Vec<PolicyChoice> {
    let limits = [
        ("off", None),
        ("await", None),
        ("bounded", Some(1 << 20)),
        ("drop", Some(1 << 20)),
        ("disconnect", Some(1 << 20)),
    ];
    limits.map(|(name, queue_limit)| PolicyChoice { name: name.to_owned(), queue_limit }).to_vec()
}

fn setup() -> ClassSetup {
    ClassSetup { join: vec!["192.168.1.5:7007".to_owned()], replay: None }
}

fn lesson() -> LessonChoice {
    LessonChoice {
        name: "write".to_owned(),
        title: "A write that returned has not arrived".to_owned(),
        text: "Where are the bytes when write returns?".to_owned(),
        choices: ["in the kernel", "at the peer", "on the wire"].map(str::to_owned).to_vec(),
    }
}
